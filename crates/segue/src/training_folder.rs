//! The output folder of a training of an encoder: until it is done it holds what was asked for and the checkpoints, so that it can be
//! resumed; in the end only the outcome.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_models::encoder::DeltaHead;
use serde_json::Value;

use crate::failure::{failed, is_stopped, usage};

const REQUEST: &str = "request.json";
const CHECKPOINTS: &str = "checkpoints";

/// The output folder of a training.
#[derive(Debug)]
pub struct TrainingFolder {
    path: PathBuf,
    resumes: bool,
}

impl TrainingFolder {
    /// A folder that is not there yet, or with `resumes` one whose training is not done.
    ///
    /// # Errors
    /// When there is something else, or nothing to resume.
    pub fn find(path: &Path, resumes: bool) -> Result<Self> {
        let (name, is_begun) = (path.display(), path.join(REQUEST).is_file());
        if resumes && !is_begun {
            let state =
                if DeltaHead::is_in(path) { "its training is done" } else { "no training was begun there" };
            let problem = format!("there is nothing to resume in `{name}`: {state}");
            return Err(usage(problem, "leave --resume out, with another folder where this one is taken"));
        }
        if !resumes && is_begun {
            let problem = format!("`{name}` holds a training that is not done");
            return Err(usage(problem, "resume it by the same command with --resume; or remove the folder"));
        }
        if !resumes && path.exists() {
            let problem = format!("`{name}` exists already");
            return Err(usage(problem, "choose another folder, or remove that one"));
        }
        Ok(Self { path: path.to_owned(), resumes })
    }

    /// Makes the folder and notes what is asked for; when it goes on, that must be the same.
    ///
    /// # Errors
    /// When the folder cannot be written, or what was begun there is something else.
    pub fn begin(&self, request: &Value) -> Result<()> {
        let path = self.path.join(REQUEST);
        if !self.resumes {
            fs::create_dir_all(&self.path)
                .with_context(|| format!("cannot make the folder `{}`", self.path.display()))?;
            return fs::write(&path, format!("{request:#}\n"))
                .with_context(|| format!("cannot write `{}`", path.display()));
        }
        let text = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let begun: Value = serde_json::from_slice(&text).with_context(|| {
            format!("`{}` is damaged\n  hint: start again in another folder", path.display())
        })?;
        // Through text, as the other one came: fractions are then equal where they are the same.
        let now: Value = serde_json::from_str(&request.to_string())?;
        match difference(&begun, &now, "") {
            None => Ok(()),
            Some((field, begun, now)) => Err(failed(
                format!("`{}` was begun with another `{field}`: {begun}, now {now}", self.path.display()),
                "give the command, the data and the model with which it was begun, or choose another folder",
            )),
        }
    }

    /// Where the training keeps its state.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Removes what only an unfinished training needs; the outcome must be written.
    ///
    /// # Errors
    /// When what is left over cannot be removed.
    pub fn finish(&self) -> Result<()> {
        let (request, checkpoints) = (self.path.join(REQUEST), self.checkpoints());
        if checkpoints.is_dir() {
            fs::remove_dir_all(&checkpoints)
                .with_context(|| format!("cannot remove `{}`", checkpoints.display()))?;
        }
        fs::remove_file(&request).with_context(|| format!("cannot remove `{}`", request.display()))
    }

    /// What became of the training that ended with this error: an interruption says the way to go on; where it failed before its
    /// first checkpoint, the folder is not left behind.
    pub fn after(&self, error: anyhow::Error) -> anyhow::Error {
        let folder = self.path.display();
        if is_stopped(&error) {
            return error.context(format!(
                "interrupted, with a checkpoint in `{folder}`\n  hint: resume by the same command with --resume"
            ));
        }
        if !self.resumes && !self.checkpoints().exists() {
            // The error is what matters; a folder that cannot be removed is named by the next command.
            let _ = fs::remove_file(self.path.join(REQUEST)).and_then(|()| fs::remove_dir(&self.path));
        }
        error
    }
}

// The first field that differs, its value then and now.
fn difference(begun: &Value, now: &Value, field: &str) -> Option<(String, String, String)> {
    let (Value::Object(a), Value::Object(b)) = (begun, now) else {
        return (begun != now).then(|| (field.to_owned(), begun.to_string(), now.to_string()));
    };
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().find_map(|name| {
        let dot = if field.is_empty() { "" } else { "." };
        let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        difference(&of(a), &of(b), &format!("{field}{dot}{name}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::difference;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let begun = json!({ "plan": { "seed": 1, "tuning": { "lora": { "rank": 8 } } }, "model": "a" });
        assert_eq!(difference(&begun, &begun, ""), None);
        let mut now = begun.clone();
        now["plan"]["tuning"] = json!("full");
        let (field, then, now) = difference(&begun, &now, "").unwrap();
        assert_eq!(
            (field.as_str(), then.as_str(), now.as_str()),
            ("plan.tuning", r#"{"lora":{"rank":8}}"#, "\"full\"")
        );
        let (field, then, _) = difference(&json!({}), &json!({ "model": 1 }), "").unwrap();
        assert_eq!((field.as_str(), then.as_str()), ("model", "null"));
    }
}
