//! What a benchmark is asked for: the data in the protocol's format, the seeds, and what is changed of the recipe.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue::failure::{closest, usage};
use segue::pipeline::Recipe;
use segue_data::protocol::{ProtocolData, abxi, minionerec, s3rec};
use segue_data::{Dataset, DomainIdx};
use segue_eval::metric_table::TableSettings;
use segue_train::FitPlan;

use super::Protocol;

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchmarkRequest {
    /// The protocol.
    pub protocol: Protocol,
    /// A file or folder in its format, or a folder of such folders.
    pub data: PathBuf,
    /// Seeds: renumbering of items, search, sampled negatives, intervals.
    pub seeds: Range<u64>,
    /// Names of the domains to measure; all when empty.
    pub targets: Vec<String>,
    /// Settings tried per expert.
    pub budget: usize,
    /// Kinds of experts to train; the default's when empty.
    pub experts: Vec<String>,
    /// Other values of settings, as `KEY=VALUE` with a value in JSON.
    pub set: Vec<String>,
    /// Item titles to join by raw id (ABXI): a TSV with columns `asin` and `title`.
    pub titles: Option<PathBuf>,
    /// Whether all item text is left out.
    pub ids_only: bool,
    /// Order of events with equal timestamps (ABXI).
    pub order: abxi::TieOrder,
    /// Whether the recipe is measured after a refit on train and valid, too.
    pub refits: bool,
}

impl BenchmarkRequest {
    /// The data sets that the path holds.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self) -> Result<Vec<PathBuf>> {
        let found = match self.protocol {
            Protocol::S3rec => s3rec::find(&self.data),
            Protocol::Minionerec => minionerec::find(&self.data),
            Protocol::Abxi => abxi::find(&self.data),
        };
        let name = self.protocol.name();
        found.with_context(|| format!("looking for {name} data in `{}`", self.data.display()))
    }

    /// One data set, its items numbered by the seed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &Path, seed: u64) -> Result<ProtocolData> {
        let mut data = match self.protocol {
            Protocol::S3rec => s3rec::read(path, seed),
            Protocol::Minionerec => minionerec::read(path, seed),
            Protocol::Abxi => abxi::read(path, self.titles.as_deref(), self.order, seed),
        }?;
        if self.ids_only {
            data.dataset.items = data.dataset.items.without_text();
        }
        Ok(data)
    }

    /// The recipe with what the request changes of it. A benchmark tries no pseudo-labels: published systems have none.
    ///
    /// # Errors
    /// When a key or a value is unknown.
    pub fn recipe(&self, seed: u64) -> Result<Recipe> {
        let mut table = TableSettings::default();
        table.bootstrap.seed = seed;
        Ok(Recipe { plan: self.plan(seed)?, pseudo_labels: false, refit: self.refits, table })
    }

    /// What is trained, with what the request changes of it.
    ///
    /// # Errors
    /// When a key or a value is unknown.
    pub fn plan(&self, seed: u64) -> Result<FitPlan> {
        let plan = FitPlan { budget: self.budget, ..self.protocol.plan(seed) };
        let mut value = serde_json::to_value(plan)?;
        if !self.experts.is_empty() {
            value["experts"] = serde_json::to_value(&self.experts)?;
        }
        self.set.iter().try_for_each(|given| set(&mut value, given))?;
        serde_json::from_value(value)
            .map_err(|error| usage(format!("--experts or --set: {error}"), SET_REMEDY))
    }

    /// Refuses the name of a target that no data set has, before anything is fitted.
    ///
    /// # Errors
    /// When there is such a name.
    pub fn check_targets(&self) -> Result<()> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let mut known: Vec<String> = Vec::new();
        for path in self.find()? {
            let dataset = self.read(&path, self.seeds.start)?.dataset;
            known.extend(dataset.domains.into_iter().map(|domain| domain.name));
        }
        let Some(name) = self.targets.iter().find(|name| !known.contains(name)) else { return Ok(()) };
        let remedy = match closest(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("their domains: {}", known.join(", ")),
        };
        Err(usage(format!("--target {name}: the data have no such domain"), remedy))
    }
}

const SET_REMEDY: &str = "for example `--set transfer.sequence.width=64 --set budget=1`";

/// Sets the value of one key of a plan, given as `KEY=VALUE`.
fn set(plan: &mut serde_json::Value, given: &str) -> Result<()> {
    let (path, text) = given.split_once('=').ok_or_else(|| usage(format!("--set {given}"), SET_REMEDY))?;
    let place = plan.pointer_mut(&format!("/{}", path.replace('.', "/")));
    let no_such_key = || usage(format!("--set {path}: the recipe has no such key"), SET_REMEDY);
    *place.ok_or_else(no_such_key)? =
        serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()));
    Ok(())
}

/// The domains of a data set that are asked for, in its order; all when none is.
pub fn targets<'a>(dataset: &'a Dataset, asked: &'a [String]) -> impl Iterator<Item = DomainIdx> + use<'a> {
    let is_asked =
        |domain: &DomainIdx| asked.is_empty() || asked.contains(&dataset.domains[domain.at()].name);
    dataset.domain_indexes().filter(is_asked)
}
