//! One tuning of the encoder, measured in this process: what it trains, what it costs, what its vectors are worth alone.

use std::cell::Cell;

use anyhow::{Context, Result};
use segue_data::DomainIdx;
use segue_data::protocol::ProtocolData;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::item_vectors::TextFields;
use segue_models::{Expert, ItemVectors};
use segue_train::encoder_fit::{
    AdaptMaterial, AdaptPlan, Adapted, StepsMoment, adapt_encoder_timed, vectors_alone,
};
use segue_train::judge::{mean, ndcg_of};
use segue_train::learn::Epoch;
use segue_train::{FitPlan, Judge, Keeping};
use serde::{Deserialize, Serialize};

use segue::Silent;
use segue::encode::{Provider, encode_items};
use segue::machine;
use segue_train::judge::JudgeRule;

use crate::benchmark::request::{Request, targets};

/// What one tuning gave in one domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TuningRow {
    pub target: String,
    pub seed: u64,
    pub tuning: String,
    /// Values that were trained, and all values of the encoder with what the tuning added.
    pub n_trained: usize,
    pub n_values: usize,
    pub n_steps: usize,
    pub n_passes: usize,
    /// The pass that valid chose, from 1; `None` where nothing was trained.
    pub best_pass: Option<usize>,
    /// Whether valid preferred the encoder as it was, so that `segue adapt` would give that one back.
    pub refused: bool,
    /// NDCG@10 of the vectors alone.
    pub valid: f64,
    pub test: Interval,
    /// Processor seconds of a step, validation not counted, and of the whole adaptation.
    pub cpu_s_per_step: Option<f64>,
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
    pub request: &'a Request,
    /// The data set.
    pub data: &'a ProtocolData,
    /// Name of the tuning.
    pub tuning: &'a str,
    /// How the encoder is adapted.
    pub plan: AdaptPlan,
    /// The recipe, for its objective and seed.
    pub fit_plan: FitPlan,
    /// The encoder as it is.
    pub provider: &'a Provider,
    /// Vectors by the encoder as it is.
    pub text: &'a ItemVectors,
}

impl OneTuning<'_> {
    /// Adapts and measures for every domain that is asked for.
    ///
    /// # Errors
    /// When a domain has no case or the encoder cannot be adapted.
    pub fn rows(&self) -> Result<Vec<TuningRow>> {
        let asked = targets(&self.data.dataset, &self.request.targets);
        asked.map(|target| self.measure(target)).collect()
    }
}

impl OneTuning<'_> {
    fn measure(&self, target: DomainIdx) -> Result<TuningRow> {
        let Self { data, fit_plan, .. } = self;
        let (items, seed) = (&data.dataset.items, fit_plan.seed);
        let JudgeRule { mask, sampled: negatives } = self.request.protocol.rule(seed);
        let valid = Judge::new(&data.split.valid.0, items, target, mask, negatives).context("valid")?;
        let start = machine::cpu_seconds();
        let (adapted, steps_cpu_s) = self.adapt(&valid)?;
        let cpu_s = machine::cpu_seconds().zip(start).map(|(now, then)| now - then);
        let peak_memory_bytes = machine::peak_memory_bytes();
        let arrays = adapted.refused.as_ref().unwrap_or(&adapted.encoder).params.arrays();
        let n_values = arrays.iter().map(|array| array.values.len()).sum();
        let (n_trained, n_steps) = (adapted.n_trained, adapted.n_steps);
        let (refused, best_pass) = (adapted.refused.is_some(), best_pass(&adapted.curve));
        let n_passes = adapted.curve.len();
        let expert = self.expert(adapted, target)?;
        let test = Judge::new(&data.split.test.0, items, target, mask, negatives).context("test")?;
        let (on_valid, cases) = (self.ndcg(&expert, &valid)?, self.ndcg(&expert, &test)?);
        let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
        Ok(TuningRow {
            target: data.dataset.domains[target.at()].name.clone(),
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

    // And the processor seconds of its steps.
    fn adapt(&self, valid: &Judge<'_>) -> Result<(Adapted, Option<f64>)> {
        let domains: Vec<DomainIdx> = self.data.dataset.domain_indexes().collect();
        let material = AdaptMaterial {
            train: &self.data.split.train,
            items: &self.data.dataset.items,
            vectors: self.text,
            domains: &domains,
            valid: Some(valid),
            objective: self.fit_plan.objective,
        };
        // All steps so far; the clock at the beginning of those that are being made.
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
        let adapted = adapt_encoder_timed(encoder, &self.plan, material, (Keeping::nothing(), |_| (), &time))
            .context("adapting the encoder")?;
        Ok((adapted, total.get()))
    }

    // What valid refused is measured all the same: the question is what the tuning is worth.
    fn expert(&self, adapted: Adapted, target: DomainIdx) -> Result<Expert> {
        let items = &self.data.dataset.items;
        let mut encoder = adapted.refused.unwrap_or(adapted.encoder);
        encoder.merge();
        let mut provider = Provider::with_encoder(self.text.model.clone(), encoder);
        let vectors = encode_items(&mut provider, items, TextFields::Short, &Silent)?.0;
        Ok(vectors_alone(&vectors, (&self.data.split.train, items), target)?)
    }

    fn ndcg(&self, expert: &Expert, judge: &Judge<'_>) -> Result<Vec<f64>> {
        let ranks = judge.rank(|query, scores| expert.score(query, &self.data.dataset.items, scores))?;
        Ok(ndcg_of(self.fit_plan.objective.of(&ranks)))
    }
}

fn best_pass(curve: &[Epoch]) -> Option<usize> {
    let metric = |pass: &Epoch| pass.metric.unwrap_or(f64::MIN);
    // The first of equals: the loop keeps a pass only if it is better.
    curve.iter().rev().max_by(|a, b| metric(a).total_cmp(&metric(b))).map(|pass| pass.epoch)
}
