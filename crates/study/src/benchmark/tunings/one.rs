//! One tuning of the encoder, measured in this process: what it trains, what it costs, what its vectors are worth alone.

use std::cell::Cell;

use anyhow::{Context, Result};
use segue::encode::{Provider, encode_items};
use segue::{Problem, Silent, machine};
use segue_data::DomainIdx;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::Expert;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::{
    AdaptMaterial, AdaptPlan, Adapted, StepsMoment, adapt_encoder_timed, vectors_alone,
};
use segue_train::judge::{mean, ndcg_of};
use segue_train::learn::Epoch;
use segue_train::{FitPlan, Judge};
use serde::{Deserialize, Serialize};

use crate::benchmark::data::BenchmarkData;
use crate::benchmark::request::{BenchmarkRequest, targets};

/// What one tuning gave in one domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TuningRow {
    /// Name of the domain.
    pub target: String,
    /// Seed of the adaptation and the intervals.
    pub seed: u64,
    /// Name of the tuning.
    pub tuning: String,
    /// Values that were trained.
    pub n_trained: usize,
    /// All values of the encoder with what the tuning added.
    pub n_values: usize,
    /// Steps of training.
    pub n_steps: usize,
    /// Passes over the lessons.
    pub n_passes: usize,
    /// The pass that valid chose, from 1; `None` where nothing was trained.
    pub best_pass: Option<usize>,
    /// Whether valid preferred the encoder as it was, so that `segue adapt` would give that one back.
    pub refused: bool,
    /// NDCG@10 of the vectors alone, on valid.
    pub valid: f64,
    /// The same on test.
    pub test: Interval,
    /// Processor seconds of a step, validation not counted.
    pub cpu_s_per_step: Option<f64>,
    /// Processor seconds of the whole adaptation.
    pub cpu_s: Option<f64>,
    /// The most memory that the process held until the adaptation was done, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// NDCG@10 of every test case, for paired differences; left out of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<f64>,
}

/// A tuning that is measured on the domains of one data set.
pub struct OneTuning<'a> {
    /// What is measured.
    pub request: &'a BenchmarkRequest,
    /// The data set, with vectors by the encoder as it is.
    pub data: &'a BenchmarkData,
    /// Name of the tuning.
    pub tuning: &'a str,
    /// How the encoder is adapted.
    pub plan: AdaptPlan,
    /// The recipe, for its objective and seed.
    pub fit_plan: FitPlan,
    /// The encoder as it is.
    pub provider: &'a Provider,
}

/// An adaptation and what it cost.
struct Metered {
    adapted: Adapted,
    /// Processor seconds of all its steps, and of all of it.
    steps_cpu_s: Option<f64>,
    cpu_s: Option<f64>,
    peak_memory_bytes: Option<u64>,
}

impl OneTuning<'_> {
    /// Adapts and measures for every domain that is asked for.
    ///
    /// # Errors
    /// When a domain has no case, the data have no vectors, or the encoder cannot be adapted.
    pub fn rows(&self) -> Result<Vec<TuningRow>> {
        let asked = targets(&self.data.data.dataset, &self.request.targets);
        let rule = self.request.protocol.rule(self.fit_plan.seed);
        asked.map(|target| self.measure(&self.data.problem(target, rule))).collect()
    }

    fn measure(&self, problem: &Problem<'_>) -> Result<TuningRow> {
        let seed = self.fit_plan.seed;
        let valid = problem.valid()?;
        let Metered { adapted, steps_cpu_s, cpu_s, peak_memory_bytes } = self.adapt(problem, &valid)?;
        let arrays = adapted.refused.as_ref().unwrap_or(&adapted.encoder).params.arrays();
        let n_values = arrays.iter().map(|array| array.values.len()).sum();
        let (n_trained, n_steps) = (adapted.n_trained, adapted.n_steps);
        let (n_passes, best_pass) = (adapted.curve.len(), best_pass(&adapted.curve));
        let refused = adapted.refused.is_some();
        let expert = self.expert(problem, adapted)?;
        let test = problem.test()?;
        let (on_valid, cases) = (self.ndcg(&expert, &valid)?, self.ndcg(&expert, &test)?);
        let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        Ok(TuningRow {
            target: problem.target_name().to_owned(),
            seed,
            tuning: self.tuning.to_owned(),
            n_trained,
            n_values,
            n_steps,
            n_passes,
            best_pass,
            refused,
            valid: mean(&on_valid),
            test: bootstrap.means_by_user(&[&cases], test.users())?[0],
            cpu_s_per_step: steps_cpu_s.filter(|_| n_steps > 0).map(|cpu_s| cpu_s / n_steps as f64),
            cpu_s,
            peak_memory_bytes,
            cases,
        })
    }

    fn adapt(&self, problem: &Problem<'_>, valid: &Judge<'_>) -> Result<Metered> {
        let start = machine::cpu_seconds();
        let domains: Vec<DomainIdx> = (0..problem.domains.len() as u16).map(DomainIdx).collect();
        let material = AdaptMaterial {
            train: &problem.split.train,
            items: problem.items,
            vectors: problem.text.context("the texts were not encoded")?,
            domains: &domains,
            valid: Some(valid),
            objective: self.fit_plan.objective,
        };
        // All steps so far; the clock at the beginning of those that are running.
        let (total, begun) = (Cell::new(Some(0.0)), Cell::new(None));
        let time = |moment: StepsMoment| match moment {
            StepsMoment::Begin => begun.set(machine::cpu_seconds()),
            StepsMoment::End => {
                // The first validation comes before any step.
                if let Some(then) = begun.take() {
                    total.set(machine::cpu_seconds().zip(total.get()).map(|(now, sum)| sum + now - then));
                }
            }
        };
        let encoder = self.provider.encoder()?.clone();
        let adapted =
            adapt_encoder_timed(encoder, &self.plan, material, &time).context("adapting the encoder")?;
        let cpu_s = machine::cpu_seconds().zip(start).map(|(now, then)| now - then);
        let peak_memory_bytes = machine::peak_memory_bytes();
        Ok(Metered { adapted, steps_cpu_s: total.get(), cpu_s, peak_memory_bytes })
    }

    /// What valid refused is measured all the same: the question is what the tuning is worth.
    fn expert(&self, problem: &Problem<'_>, adapted: Adapted) -> Result<Expert> {
        let mut encoder = adapted.refused.unwrap_or(adapted.encoder);
        encoder.merge();
        let text = problem.text.context("the texts were not encoded")?;
        let mut provider = Provider::with_encoder(text.model.clone(), encoder);
        let vectors = encode_items(&mut provider, problem.items, TextFields::Short, &Silent)?.0;
        Ok(vectors_alone(&vectors, &problem.split.train, problem.items, problem.target)?)
    }

    fn ndcg(&self, expert: &Expert, judge: &Judge<'_>) -> Result<Vec<f64>> {
        let ranks = judge.rank(|query, scores| expert.score(query, judge.items(), scores))?;
        Ok(ndcg_of(self.fit_plan.objective.of(&ranks)))
    }
}

fn best_pass(curve: &[Epoch]) -> Option<usize> {
    let metric = |pass: &Epoch| pass.metric.unwrap_or(f64::MIN);
    // The first of equals: the loop keeps a pass only if it is better.
    curve.iter().rev().max_by(|a, b| metric(a).total_cmp(&metric(b))).map(|pass| pass.epoch)
}
