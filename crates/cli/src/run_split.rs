//! The split of a finished run, cut again from the data in its artifact.

use anyhow::Result;
use segue_data::{Dataset, Split};

use crate::config::RunConfig;

/// Cuts `dataset` as the run did; its filters were applied before the artifact was written.
pub(crate) fn cut(dataset: &Dataset, config: &RunConfig) -> Result<Split> {
    let rule = config.split_rule(dataset.has_timestamps);
    let split =
        rule.cut(&dataset.sequences, &dataset.items, &dataset.published_split, dataset.has_timestamps)?;
    Ok(split.with_profiles(&dataset.profiles))
}
