//! Arguments that take one of a few names: the library's enums, which know nothing of a command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// A parser of the names of `choices`: each with its name and what it means.
pub(crate) fn choice<T: Copy + Send + Sync + 'static>(
    choices: &'static [(T, &'static str, &'static str)],
) -> impl TypedValueParser<Value = T> {
    let values = choices.iter().map(|(_, name, help)| PossibleValue::new(*name).help(*help));
    let value_of =
        |name: String| choices.iter().find(|(_, known, _)| *known == name).map(|(value, _, _)| *value);
    PossibleValuesParser::new(values).try_map(move |name| value_of(name).ok_or("no such choice"))
}
