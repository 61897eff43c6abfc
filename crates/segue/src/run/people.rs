//! The people beside a run. A model holds nobody, so the data set that it was trained on is opened where lists are made for them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use segue_data::{Dataset, DomainIdx, store};
use segue_recommend::{Catalog, DatasetHistories, When};

use crate::config::RunConfig;
use crate::failure::failed;
use crate::origin::DataOrigin;
use crate::prepared::{apply_filters, cut};
use crate::run::dir::RunDir;

/// The data set beside a run, filtered as the run was.
#[derive(Clone, Debug)]
pub struct People {
    /// People, their events, and the items.
    pub dataset: Dataset,
    // Where it is and whether its tables are those that the run was trained on.
    folder: PathBuf,
    is_unchanged: bool,
    // Time of each person's first test event; nothing where all are asked at one time.
    test_times: Option<Vec<Option<i64>>>,
}

impl People {
    /// Opens the data set of a run folder: where its manifest says, or in the folder `data` where it has been moved.
    ///
    /// # Errors
    /// When the data set is not there or cannot be read.
    pub fn beside(run: &Path, data: Option<&Path>) -> Result<Self> {
        if !run.join("manifest.json").is_file() {
            return Self::beside_model(run, data);
        }
        let run = RunDir::open(run)?;
        let (manifest, config) = (run.manifest()?, run.config()?);
        let folder = match data {
            Some(data) => data.to_owned(),
            None => manifest.data.find().ok_or_else(|| absent(&manifest.data))?,
        };
        let (mut dataset, head) = store::read(&folder)?;
        apply_filters(&mut dataset, &config)?;
        let is_unchanged = head.data_sha256() == manifest.data.sha256;
        Ok(Self { dataset, folder, is_unchanged, test_times: None })
    }

    // An artifact folder without its run does not say which data set, and knows no filters.
    fn beside_model(model: &Path, data: Option<&Path>) -> Result<Self> {
        let Some(folder) = data else {
            let problem = format!("`{}` is a model without its run: it knows nobody", model.display());
            let remedy = "name the run's folder, the data set with --data DIR, or give events with --history";
            return Err(failed(problem, remedy));
        };
        let (dataset, _) = store::read(folder)?;
        Ok(Self { dataset, folder: folder.to_owned(), is_unchanged: false, test_times: None })
    }

    /// What to say where the tables are others than those that the run was trained on: people may have come and gone.
    pub fn note(&self) -> Option<String> {
        (!self.is_unchanged).then(|| {
            format!(
                "data set `{}` is not as it was when the run was trained: lists are for the people in it now",
                self.folder.display()
            )
        })
    }

    /// Refuses a data set that was changed: figures can only be measured again on the same events.
    ///
    /// # Errors
    /// When it was changed.
    pub fn unchanged(self) -> Result<Self> {
        if self.is_unchanged {
            return Ok(self);
        }
        let problem =
            format!("data set `{}` is not the one that the run was trained on", self.folder.display());
        Err(failed(problem, "name that one with --data DIR, or train again on this one"))
    }

    /// Their histories, by the numbers of a model's catalog.
    ///
    /// # Errors
    /// When the data set has other items than the model.
    pub fn histories(&self, catalog: &Catalog) -> Result<DatasetHistories<'_>> {
        Ok(DatasetHistories::new(catalog, &self.dataset)?)
    }

    /// The same people as they were before the run's test split, each to be asked at the time of their first test event in a domain: then a
    /// list is made from what the run's own figures were measured on.
    ///
    /// # Errors
    /// When the split cannot be cut again.
    pub fn before_test(mut self, config: &RunConfig, domain: DomainIdx) -> Result<Self> {
        let split = cut(&self.dataset, config)?;
        let mut times = vec![None; self.dataset.users.len()];
        let cases = split.test.open_for_measurement().cases();
        for case in cases.iter().filter(|case| case.domain == domain && case.timestamp != 0) {
            let Some(time) = times.get_mut(case.row as usize) else { continue };
            time.get_or_insert(case.timestamp);
        }
        self.dataset.sequences = split.train_valid.sequences;
        self.test_times = Some(times);
        Ok(self)
    }

    /// The time at which all are asked; `None` where the data has no times, or each has a time of their own.
    ///
    /// # Errors
    /// When a time is asked for and the data has none.
    pub fn common_time(&self, when: When, catalog: &Catalog) -> Result<Option<i64>> {
        if self.test_times.is_some() { Ok(None) } else { Ok(when.time(catalog)?) }
    }

    /// The time at which a person is asked; `None` where the data has no times.
    ///
    /// # Errors
    /// When a time is asked for and the data has none.
    pub fn time_of(&self, raw_user: &str, when: When, catalog: &Catalog) -> Result<Option<i64>> {
        let Some(times) = &self.test_times else { return self.common_time(when, catalog) };
        let own = self.dataset.users.get(raw_user).and_then(|user| times[user as usize]);
        Ok(own.or(catalog.newest()))
    }
}

fn absent(data: &DataOrigin) -> anyhow::Error {
    let place = if data.folder.is_empty() { &data.path } else { &data.folder };
    failed(
        format!("the run stands beside data set `{}` in `{place}`, which is not there", data.name),
        "name the folder where it is now with --data DIR, or give events with --history",
    )
}
