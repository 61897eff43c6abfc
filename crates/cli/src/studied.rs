//! What the commands of studies share: the data, filtered and cut; the targets; a page of the outcome.

use std::path::Path;

use anyhow::{Context, Result};
use segue::clock;
use segue::config::RunConfig;
use segue::failure::usage;
use segue::pipeline::Recipe;
use segue::prepared::{LoadedData, PreparedData, targets};
use segue_data::DomainIdx;
use segue_report::Report;
use segue_study::{PageOrigin, Study};
use segue_train::judge::JudgeRule;

use crate::screen::{self, Screen};
use crate::terminal::Terminal;

/// A data set that is studied.
pub(crate) struct StudiedData {
    /// Filtered and cut.
    pub(crate) data: PreparedData,
    /// The domains that are studied.
    pub(crate) targets: Vec<DomainIdx>,
    recipe: Recipe,
    rule: JudgeRule,
    terminal: Terminal,
}

impl StudiedData {
    /// Reads, filters and cuts.
    pub(crate) fn read(folder: &Path, config: &RunConfig, rule: JudgeRule, screen: Screen) -> Result<Self> {
        let loaded = LoadedData::read(folder)?;
        let targets = targets(&loaded.dataset, config)?;
        let data = PreparedData::new(loaded, config)?;
        data.notes.iter().try_for_each(|note| screen.say(note))?;
        Ok(Self { data, targets, recipe: config.recipe().clone(), rule, terminal: Terminal::new(screen) })
    }

    /// Refuses a data set of one domain.
    pub(crate) fn need_sources(&self) -> Result<()> {
        let dataset = &self.data.dataset;
        if dataset.domains.len() > 1 {
            return Ok(());
        }
        let problem =
            format!("data set `{}` has one domain: there is no other that could help", dataset.name);
        Err(usage(problem, "import several domains: segue import NAME=PATH NAME=PATH --to DATA"))
    }

    /// What is studied, target by target.
    pub(crate) fn studies(&self) -> impl Iterator<Item = Study<'_>> {
        self.targets.iter().map(|&target| Study {
            problem: self.data.problem(target, self.rule),
            recipe: &self.recipe,
            observer: &self.terminal,
        })
    }

    /// Where a page of the study comes from.
    fn origin(&self) -> PageOrigin {
        let generated = format!("{} by segue {}", clock::now(), env!("CARGO_PKG_VERSION"));
        PageOrigin {
            data: self.data.dataset.name.clone(),
            command: screen::command_line().join(" "),
            generated,
        }
    }

    /// Writes a page, where one is asked for.
    pub(crate) fn write_page(
        &self,
        out: Option<&Path>,
        page: impl FnOnce(PageOrigin) -> Report,
        screen: Screen,
    ) -> Result<()> {
        let Some(out) = out else { return Ok(()) };
        std::fs::write(out, segue_report::render(&page(self.origin())))
            .with_context(|| format!("cannot write `{}`", out.display()))?;
        screen.say(format!("\nreport  {}", out.display()))
    }
}
