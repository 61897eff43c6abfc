//! Attributes of users as they are given on the command line: `gender=F`.

use anyhow::Result;
use segue_data::{UnknownValue, UserProfiles};

use crate::failure::{closest, usage};

/// More values are not listed in a message.
const VALUES_LISTED: usize = 12;

/// The ids of `NAME=VALUE` texts, rising; a number finds its range.
///
/// # Errors
/// When an attribute or a value is unknown.
pub fn profile_from_text(profiles: &UserProfiles, given: &[String]) -> Result<Vec<u32>> {
    let mut ids = given.iter().map(|text| find(profiles, text)).collect::<Result<Vec<u32>>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn find(profiles: &UserProfiles, given: &str) -> Result<u32> {
    let Some((name, text)) = given.split_once('=') else {
        return Err(usage(
            format!("--profile `{given}` is not NAME=VALUE"),
            "for example --profile gender=F",
        ));
    };
    let (name, text) = (name.trim(), text.trim());
    profiles.find(name, text).map_err(|unknown| match unknown {
        UnknownValue::Attribute => unknown_attribute(profiles, name),
        UnknownValue::Value => unknown_value(profiles, name, text),
    })
}

fn unknown_attribute(profiles: &UserProfiles, name: &str) -> anyhow::Error {
    let known = || profiles.attributes().iter().map(|attribute| attribute.name.as_str());
    let remedy = if profiles.attributes().is_empty() {
        "the data of this run has no attributes of users: leave --profile out".to_owned()
    } else {
        meant(name, &known().collect::<Vec<_>>())
    };
    usage(format!("no attribute `{name}` of users"), remedy)
}

fn unknown_value(profiles: &UserProfiles, name: &str, text: &str) -> anyhow::Error {
    let found = profiles.attributes().iter().find(|attribute| attribute.name == name);
    let values: Vec<&str> = found.into_iter().flat_map(|a| &a.values).map(String::as_str).collect();
    let remedy = if found.is_some_and(segue_data::Attribute::is_numeric) {
        format!("give a number, or one of its ranges: {}", values.join(", "))
    } else {
        meant(text, &values)
    };
    usage(format!("attribute `{name}` has no known value `{text}`"), remedy)
}

fn meant(given: &str, known: &[&str]) -> String {
    match closest(given, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.len() <= VALUES_LISTED => format!("known: {}", known.join(", ")),
        None => format!("known: {}, … ({} in all)", known[..VALUES_LISTED].join(", "), known.len()),
    }
}
