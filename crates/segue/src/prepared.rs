//! A data set folder in memory: read with its vectors, then filtered and cut as a config says.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use segue_data::{Dataset, DomainIdx, ItemGraph, Split, filter, kcore, store};
use segue_models::{ItemVectors, MediaVectors};
use segue_report::number::count;
use segue_train::judge::JudgeRule;

use crate::config::{RunConfig, SplitName};
use crate::encode::{read_media, read_vectors};
use crate::failure::{closest, usage};
use crate::origin::DataOrigin;
use crate::problem::Problem;

/// A data set with the vectors of its items, as it was read.
pub struct LoadedData {
    /// Domains, items, people, events, facts.
    pub dataset: Dataset,
    /// Vectors of the items' texts, if they were encoded.
    pub text: Option<ItemVectors>,
    /// Vectors of the items' images and sounds, as far as they were encoded.
    pub media: MediaVectors,
    /// Where it came from.
    pub origin: DataOrigin,
}

impl LoadedData {
    /// Reads a data set folder, made with `segue import`; every table's hash is checked.
    ///
    /// # Errors
    /// When a file is missing or damaged, or vectors belong to other items.
    pub fn read(folder: &Path) -> Result<Self> {
        let (dataset, head) = store::read(folder)?;
        let (text, media) = (read_vectors(folder, &dataset.items)?, read_media(folder, &dataset.items)?);
        let origin = DataOrigin::of(&dataset.name, folder, head.data_sha256());
        Ok(Self { dataset, text, media, origin })
    }

    /// A data set that was imported in this process, without vectors. It stands in no folder, so a run on it can be resumed by nobody.
    pub fn in_memory(dataset: Dataset) -> Self {
        let origin = DataOrigin::of(&dataset.name, Path::new(""), String::new());
        Self { dataset, text: None, media: MediaVectors::default(), origin }
    }
}

/// A data set, filtered and cut: what problems are made of.
pub struct PreparedData {
    /// After filters.
    pub dataset: Dataset,
    /// Vectors of the items' texts.
    pub text: Option<ItemVectors>,
    /// Vectors of the items' images and sounds.
    pub media: MediaVectors,
    /// What is stated about the items.
    pub graph: Option<ItemGraph>,
    /// Train, valid and test.
    pub split: Split,
    /// Where it came from.
    pub origin: DataOrigin,
    /// What the filters left out, in words.
    pub notes: Vec<String>,
}

impl PreparedData {
    /// Filters and cuts as `config` says.
    ///
    /// # Errors
    /// When a filter does not fit the split, or the split cannot be cut.
    pub fn new(loaded: LoadedData, config: &RunConfig) -> Result<Self> {
        let LoadedData { mut dataset, text, media, origin } = loaded;
        let notes = apply_filters(&mut dataset, config)?;
        let split = cut(&dataset, config)?;
        let graph = ItemGraph::of(&dataset);
        Ok(Self { dataset, text, media, graph, split, origin, notes })
    }

    /// The problem of one target.
    pub fn problem(&self, target: DomainIdx, rule: JudgeRule) -> Problem<'_> {
        Problem {
            items: &self.dataset.items,
            domains: &self.dataset.domains,
            split: &self.split,
            text: self.text.as_ref(),
            media: Some(&self.media),
            graph: self.graph.as_ref(),
            target,
            rule,
        }
    }
}

/// The domains to recommend.
///
/// # Errors
/// When the data set has no domain of a name in the config.
pub fn targets(dataset: &Dataset, config: &RunConfig) -> Result<Vec<DomainIdx>> {
    if config.data.targets.is_empty() {
        return Ok(dataset.domain_indexes().collect());
    }
    let known = || dataset.domains.iter().map(|domain| domain.name.as_str());
    let find = |name: &String| {
        dataset.domain(name).ok_or_else(|| {
            let remedy = match closest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its domains: {}", known().collect::<Vec<_>>().join(", ")),
            };
            usage(format!("data set `{}` has no domain `{name}`", dataset.name), remedy)
        })
    };
    let mut targets = config.data.targets.iter().map(find).collect::<Result<Vec<_>>>()?;
    // A name that is given twice is one target.
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert(target.at()));
    Ok(targets)
}

/// Applies the filters of the config; gives what they left out, in words.
///
/// # Errors
/// When a filter would change a published split.
pub fn apply_filters(dataset: &mut Dataset, config: &RunConfig) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(min_value) = config.data.min_value {
        let n = filter::keep_values_from(dataset, min_value as f32);
        notes.push(format!("left out {} events below {min_value}", count(n)));
    }
    if config.data.k_core > 0 {
        if config.split.rule == SplitName::Published {
            return Err(usage(
                "`data.k_core` would change a published split",
                "leave k_core out, or choose another split.rule",
            ));
        }
        let (core, n) = kcore::k_core(&dataset.sequences, dataset.n_items(), config.data.k_core);
        (dataset.sequences, dataset.published_split) = (core, Vec::new());
        notes.push(format!("left out {} events outside the {}-core", count(n), config.data.k_core));
    }
    Ok(notes)
}

/// Cuts a filtered data set as the config says.
///
/// # Errors
/// When the rule cannot be applied to this data set.
pub fn cut(dataset: &Dataset, config: &RunConfig) -> Result<Split> {
    let rule = config.split_rule(dataset.has_timestamps);
    let split =
        rule.cut(&dataset.sequences, &dataset.items, &dataset.published_split, dataset.has_timestamps)?;
    Ok(split.with_profiles(&dataset.profiles))
}
