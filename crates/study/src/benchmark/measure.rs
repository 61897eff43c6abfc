//! One data set and seed: fit on train, measure on test, refit on train and valid, measure again.

use anyhow::Result;
use segue::observer::watched;
use segue::pipeline::{self, Recipe};
use segue::{Observer, Problem};
use segue_models::ItemVectors;
use segue_train::DomainFit;

use super::Protocol;
use super::adapted::Adapting;
use super::data::BenchmarkData;
use super::meter::Meter;
use super::published::Published;
use super::request::targets;
use super::row::{BenchmarkRow, RowDifference};
use super::sheet::{Regime, Sheet};

/// All rows of one data set and seed.
#[derive(Default)]
pub struct Measured {
    /// Hash of the data set.
    pub sha256: String,
    /// Rows under the protocol's rules.
    pub rows: Vec<BenchmarkRow>,
    /// Rows under the strict mask where it differs from the protocol's.
    pub strict_rows: Vec<BenchmarkRow>,
    /// Paired differences on test.
    pub differences: Vec<RowDifference>,
    /// What was chosen for each domain, by its name.
    pub fits: Vec<(String, DomainFit)>,
}

/// How one data set is measured.
pub struct Benchmark<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The recipe; `refit`: it is measured on train alone first, then after a refit.
    pub recipe: Recipe,
    /// How the encoder behind the texts' vectors is adapted for each target first.
    pub adapting: Option<Adapting<'a>>,
    /// Rows from papers, and the floors to measure.
    pub published: &'a Published,
    /// Who hears how far it is.
    pub observer: &'a dyn Observer,
}

/// Measures the domains of one data set that are asked for; all when none is.
///
/// # Errors
/// When a target has no case, nothing can be fitted, or a score is not finite.
pub fn measure(benchmark: &Benchmark<'_>, data: &BenchmarkData, asked: &[String]) -> Result<Measured> {
    let mut measured = Measured { sha256: data.data.sha256.clone(), ..Measured::default() };
    let rule = benchmark.protocol.rule(benchmark.recipe.plan.seed);
    for target in targets(&data.data.dataset, asked) {
        benchmark.measure_target(data.problem(target, rule), &mut measured)?;
    }
    Ok(measured)
}

impl Benchmark<'_> {
    fn measure_target(&self, problem: Problem<'_>, measured: &mut Measured) -> Result<()> {
        let (recipe, published) = (&self.recipe, self.published);
        let meter = Meter::start();
        let adapted = self.adapted_vectors(&problem)?;
        let problem = Problem { text: adapted.as_ref().or(problem.text), ..problem };
        let name = problem.target_name();
        let task = format!("{name} (seed {})", recipe.plan.seed);
        let valid = problem.valid()?;
        let chosen =
            watched(self.observer, &task, |session| pipeline::choose(&problem, recipe, &valid, session))?;
        let test = problem.test()?;
        let mut sheet = Sheet::new(&problem, recipe.plan.seed, &test, measured);
        let single = &chosen.fit.fitted.single_domain;
        let (model, train) = (chosen.model(), &problem.split.train);
        sheet.fill(&Regime { name: "train", model, single, train, published, meter })?;
        if recipe.refit {
            let meter = Meter::start();
            let model = &watched(self.observer, &task, |session| {
                pipeline::refit(&problem, recipe, &chosen, session)
            })?;
            let train = &problem.split.train_valid;
            sheet.fill(&Regime { name: "refit", model, single, train, published, meter })?;
        }
        measured.fits.push((name.to_owned(), chosen.fit));
        Ok(())
    }

    fn adapted_vectors(&self, problem: &Problem<'_>) -> Result<Option<ItemVectors>> {
        let (Some(adapting), Some(text)) = (&self.adapting, problem.text) else { return Ok(None) };
        adapting.vectors(problem, text, self.recipe.plan.objective, self.observer).map(Some)
    }
}
