//! `segue benchmark --target`: some domains of the data sets in place of all.

use anyhow::Result;
use segue_data::{Dataset, DomainIdx};

use super::{Args, find, read};
use crate::failure::{closest, usage};

/// The domains of a data set that are asked for, in its order.
pub(super) fn targets<'a>(
    dataset: &'a Dataset,
    asked: &'a [String],
) -> impl Iterator<Item = DomainIdx> + use<'a> {
    let is_asked =
        |domain: &DomainIdx| asked.is_empty() || asked.contains(&dataset.domains[domain.at()].name);
    dataset.domain_indexes().filter(is_asked)
}

/// Refuses a name that no data set has, before anything is fitted.
pub(super) fn check(args: &Args) -> Result<()> {
    // The process of one tuning sees one data set of several; the names were checked by the one that started it.
    if args.target.is_empty() || args.one_tuning.is_some() {
        return Ok(());
    }
    let mut known: Vec<String> = Vec::new();
    for path in find(args)? {
        known.extend(
            read(args, &path, args.first_seed)?.dataset.domains.into_iter().map(|domain| domain.name),
        );
    }
    let Some(name) = args.target.iter().find(|name| !known.contains(name)) else { return Ok(()) };
    let remedy = match closest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("their domains: {}", known.join(", ")),
    };
    Err(usage(format!("--target {name}: the data have no such domain"), remedy))
}
