//! A blend and the settings of its members, chosen together: two blends that differ by the expert that leads them, each with its members
//! searched once more beside the others; valid decides between them, by the rule that it decides by between settings.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use segue_models::{Expert, ExpertId};
use segue_recommend::Scratch;
use segue_recommend::{DomainModel, standardize};

use super::Untuned;
use super::expert_choice::TargetFit;
use crate::blend_fit::{BlendSearch, FittedBlend, Found};
use crate::error::TrainError;
use crate::judge::Judge;
use crate::pool::Pool;
use crate::search::{Trial, clearly_better, climb};

/// Bytes of blend scores kept while one member is tuned.
const REST_BYTES: usize = 128 << 20;
/// How often members are tuned and weighed again, at most.
const N_ROUNDS: usize = 2;
/// Tuning gains less than this share of NDCG@10: a blend further behind is not tuned.
const NEAR: f64 = 0.95;

/// A blend whose members were tuned inside it.
struct Tuned {
    found: Found,
    /// The experts that were changed.
    experts: Vec<Expert>,
    trials: Vec<Trial>,
}

impl TargetFit<'_> {
    /// Chooses the blend; `model` is left with it and with the experts that were tuned inside it.
    pub(super) fn choose_blend(
        &mut self,
        model: &mut DomainModel,
        judge: &Judge<'_>,
    ) -> Result<FittedBlend, TrainError> {
        let (first, other) = self.searching(model, judge, |search| {
            let first = search.best(None)?;
            let other = search.without_leader(&first)?;
            Ok((first, other))
        })?;
        let other = other.filter(|other| other.score() >= NEAR * first.score());
        let before = self.trials.clone();
        let mut best = self.tuned(model, judge, first, &before)?;
        if let Some(other) = other {
            let mut refused = self.tuned(model, judge, other, &before)?;
            if clearly_better(&refused.found.cases, &best.found.cases) {
                std::mem::swap(&mut best, &mut refused);
            }
            let tried = refused.trials.into_iter().skip(before.len());
            best.trials.extend(tried.map(|trial| Trial { chosen: false, ..trial }));
        }
        let found = self.install(model, best);
        model.blend = found.blend(&model.experts);
        self.searching(model, judge, |search| search.with_evidence(&found))
    }

    fn searching<T>(
        &self,
        model: &DomainModel,
        judge: &Judge<'_>,
        search: impl FnOnce(&BlendSearch<'_>) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let pool = Pool::collect(judge, &model.experts, &model.cold, self.plan.objective)?;
        search(&BlendSearch::new(&pool, &model.experts, judge.users(), self.plan.seed))
    }

    // Tunes the members and weighs them again; gives the model back as it was.
    fn tuned(
        &mut self,
        model: &mut DomainModel,
        judge: &Judge<'_>,
        mut found: Found,
        before: &[Trial],
    ) -> Result<Tuned, TrainError> {
        for _ in 0..N_ROUNDS {
            model.blend = found.blend(&model.experts);
            if !self.tune_inside(model)? {
                break;
            }
            let next = self.searching(model, judge, |search| search.best(Some(&found)))?;
            let is_better = next.score() > found.score();
            found = next;
            if !is_better {
                break;
            }
        }
        let mut experts = Vec::new();
        for untuned in std::mem::take(&mut self.untuned) {
            if let Some(at) = place_of(model, untuned.expert.id) {
                experts.push(std::mem::replace(&mut model.experts[at], untuned.expert));
            }
        }
        Ok(Tuned { found, experts, trials: std::mem::replace(&mut self.trials, before.to_vec()) })
    }

    fn install(&mut self, model: &mut DomainModel, tuned: Tuned) -> Found {
        for expert in tuned.experts {
            let id = expert.id;
            let trials = self.trials.iter().filter(|trial| trial.expert == id).cloned().collect();
            if let Some(at) = place_of(model, id) {
                let expert = std::mem::replace(&mut model.experts[at], expert);
                self.untuned.push(Untuned { expert, trials });
            }
        }
        self.trials = tuned.trials;
        tuned.found
    }

    // A second search for every member of the blend, judged by what the blend reaches with it: settings that are best alone
    // are often not best beside others. Returns whether anything changed.
    fn tune_inside(&mut self, model: &mut DomainModel) -> Result<bool, TrainError> {
        let active: Vec<usize> = model.blend.active().collect();
        let searched = |at: &usize| !model.experts[*at].id.kind.learns_by_steps();
        if active.len() < 2 || self.plan.budget < 2 {
            return Ok(false);
        }
        let fitting = REST_BYTES / 4 / model.n_candidates().max(1);
        let valid = self.valid.sample(fitting.clamp(1, self.plan.search_cases));
        let mut changed = false;
        for (done, at) in active.iter().copied().filter(searched).collect::<Vec<_>>().into_iter().enumerate()
        {
            let id = model.experts[at].id;
            self.session.show(format!("tune {id} in the blend"), done, active.len());
            changed |= self.tune_member(model, at, &valid)?;
        }
        Ok(changed)
    }

    fn tune_member(
        &mut self,
        model: &mut DomainModel,
        at: usize,
        valid: &Judge<'_>,
    ) -> Result<bool, TrainError> {
        let id = model.experts[at].id;
        let rest = self.rest_of_blend(model, at, valid);
        let n = model.n_candidates();
        let member = model.blend.members[at];
        let mut rng = ChaCha8Rng::seed_from_u64(self.plan.seed);
        rng.set_stream(1000 + id.kind as u64 * 3 + id.scope as u64);
        let start = self.for_search(model.experts[at].config().clone());
        let mut last: Option<Expert> = Some(model.experts[at].clone());
        let trials = climb(id, vec![start], self.plan.budget, &mut rng, |config| {
            let expert = self.with_measured_spread(self.refitted(last.take(), id, config)?);
            let score = |case: usize, scores: &mut [f32]| {
                expert.score(&valid.query(case), self.items, scores);
                standardize(scores, expert.spread());
                for ((score, &rest), &cold) in scores.iter_mut().zip(&rest[case * n..]).zip(&model.cold) {
                    *score = rest + *score * if cold { member.cold } else { member.warm };
                }
            };
            let ndcg = valid.metric_of(self.plan.objective.of(&valid.rank_with(score)?));
            last = Some(expert);
            Ok::<Vec<f64>, TrainError>(ndcg)
        })?;
        let improved = trials.iter().skip(1).find(|trial| trial.chosen).map(|trial| trial.config.clone());
        let Some(config) = improved else { return Ok(false) };
        let tuned = self.with_measured_spread(self.fit(id, &self.for_serving(config))?);
        let expert = std::mem::replace(&mut model.experts[at], tuned);
        let before = self.trials.iter().filter(|trial| trial.expert == id).cloned().collect();
        // Tuned once more, it is still the first that is kept.
        if self.untuned.iter().all(|untuned| untuned.expert.id != id) {
            self.untuned.push(Untuned { expert, trials: before });
        }
        for old in self.trials.iter_mut().filter(|trial| trial.expert == id) {
            old.chosen = false;
        }
        self.trials.extend(trials);
        Ok(true)
    }

    // Scores of all other members for every case, `[n_cases, n_candidates]`.
    fn rest_of_blend(&self, model: &DomainModel, at: usize, valid: &Judge<'_>) -> Vec<f32> {
        let mut others = model.clone();
        others.blend.members[at].warm = 0.0;
        others.blend.members[at].cold = 0.0;
        let mut rest = vec![0.0; valid.n_cases() * model.n_candidates()];
        rest.par_chunks_mut(model.n_candidates()).enumerate().for_each_init(
            Scratch::default,
            |scratch, (case, row)| {
                others.score(&valid.query(case), self.items, scratch, row);
            },
        );
        rest
    }
}

fn place_of(model: &DomainModel, id: ExpertId) -> Option<usize> {
    model.experts.iter().position(|expert| expert.id == id)
}
