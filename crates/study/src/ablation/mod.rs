//! What each part of the recipe adds: the recipe with and without it, on the same cases.

mod asked;
pub mod graph;
pub mod part;
mod page;
mod sentences;

pub use asked::{Asked, GraphVersion};
pub use page::page;
pub use sentences::{heading, sentences};

use std::collections::BTreeMap;

use crate::ablation::part::{Part, fit_without, refit_without};
use anyhow::{Context, Result};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::{ExpertId, Scope};
use segue_recommend::DomainModel;
use segue_train::{DomainFit, Judge, Session};
use serde::Serialize;

use self::graph::GraphTable;
use crate::study::{Study, rank_model};

/// The table of one target.
#[derive(Debug, Serialize)]
pub struct Ablation {
    pub target: String,
    pub split: String,
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    pub n_valid_cases: usize,
    pub n_test_cases: usize,
    /// NDCG@10 of the whole recipe.
    pub valid: Interval,
    pub test: Interval,
    /// Experts of its blend, with their weights.
    pub members: Vec<(ExpertId, f32)>,
    pub parts: Vec<PartRow>,
    /// Each modality left out of everything that reads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<PartRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphTable>,
}

/// What a part adds.
#[derive(Debug, Serialize)]
pub struct PartRow {
    /// Its name.
    pub part: String,
    /// The whole recipe minus the recipe without it.
    pub on_valid: Comparison,
    pub on_test: Comparison,
    /// The weight of the experts that the part is or lives in, in the blend of the whole recipe.
    pub weight: f32,
    /// Those experts, the refused ones included.
    pub experts: Vec<(ExpertId, f32)>,
    pub verdict: String,
}

/// Rankings of a fit, and the weights of all its experts, the refused ones included.
#[derive(Clone)]
struct Ranked {
    valid: Rankings,
    test: Rankings,
    weights: Vec<(ExpertId, f32)>,
}

impl Ranked {
    fn members(&self) -> Vec<(ExpertId, f32)> {
        let mut members: Vec<(ExpertId, f32)> =
            self.weights.iter().copied().filter(|(_, weight)| *weight > 0.0).collect();
        members.sort_by(|a, b| b.1.total_cmp(&a.1));
        members
    }

    // The blend's decision about the experts concerned.
    fn weights_of(&self, is_concerned: impl Fn(ExpertId) -> bool) -> Vec<(ExpertId, f32)> {
        self.weights.iter().copied().filter(|(id, _)| is_concerned(*id)).collect()
    }
}

fn all_weights(model: &DomainModel) -> Vec<(ExpertId, f32)> {
    model.blend.members.iter().map(|member| (member.expert, member.warm)).collect()
}

/// A target while it is studied.
struct TargetAblation<'s, 'a> {
    study: &'s Study<'a>,
    valid: Judge<'a>,
    test: Judge<'a>,
    fit: DomainFit,
    whole: Ranked,
    // Two tables may ask for the same.
    without: BTreeMap<Part, Ranked>,
}

/// Measures what is asked for.
pub fn ablate(study: &Study<'_>, asked: &Asked) -> Result<Ablation> {
    let parts = chosen(study, asked)?;
    let (graphs, modalities) = (asked.graphs(study)?, asked.modalities(study)?);
    let mut whole = TargetAblation::new(study)?;
    let graph = (!graphs.is_empty()).then(|| GraphTable::measure(&mut whole, &graphs)).transpose()?;
    let modalities: Vec<Part> = modalities.into_iter().map(Part::Modality).collect();
    let (parts, modalities) = (whole.rows(&parts)?, whole.rows(&modalities)?);
    let (valid, test) = whole.ndcg(&whole.whole)?;
    Ok(Ablation {
        target: study.target_name().to_owned(),
        split: study.problem.split.description.clone(),
        seed: study.plan().seed,
        refit: study.recipe.refit,
        n_valid_cases: whole.valid.n_cases(),
        n_test_cases: whole.test.n_cases(),
        valid,
        test,
        members: whole.whole.members(),
        parts,
        modalities,
        graph,
    })
}

impl<'s, 'a> TargetAblation<'s, 'a> {
    fn new(study: &'s Study<'a>) -> Result<Self> {
        let (valid, test) = (study.problem.valid()?, study.problem.test()?);
        let what = format!("{}: all parts", study.target_name());
        let fitted = study.fit(&what, &valid)?;
        let fit = fitted.chosen.fit;
        let whole = Ranked {
            valid: rank_model(&valid, &fit.model)?,
            test: rank_model(&test, &fitted.served)?,
            weights: all_weights(&fit.model),
        };
        Ok(Self { study, valid, test, fit, whole, without: BTreeMap::new() })
    }

    fn rows(&mut self, parts: &[Part]) -> Result<Vec<PartRow>> {
        let mut rows = Vec::new();
        for &part in parts {
            let without = self.without(part)?;
            let (on_valid, on_test) = self.differences(&self.whole, &without)?;
            let is_modality = matches!(part, Part::Modality(_));
            let experts = self.whole.weights_of(|id| is_concerned(part, id));
            let weight = experts.iter().map(|(_, weight)| weight).sum();
            let (part, verdict) = (part_name(self.study, part), String::new());
            let mut row = PartRow { part, on_valid, on_test, weight, experts, verdict };
            let target = self.study.target_name();
            row.verdict = if is_modality {
                sentences::of_modality(target, &row)
            } else {
                sentences::of_part(target, &row)
            }
            .text;
            rows.push(row);
        }
        Ok(rows)
    }

    fn without(&mut self, part: Part) -> Result<Ranked> {
        if let Some(ranked) = self.without.get(&part) {
            return Ok(ranked.clone());
        }
        let Self { study, valid, fit, .. } = &*self;
        let what = format!("{}: without {}", study.target_name(), part_name(study, part));
        let left = study.watched(&what, |session| {
            fit_without(part, (study.plan(), fit), study.material(), valid, session)
        })?;
        let ranked = Ranked {
            valid: rank_model(valid, &left.model)?,
            test: rank_model(&self.test, &self.served_without(part, &left.model)?)?,
            weights: all_weights(&left.model),
        };
        self.without.insert(part, ranked.clone());
        Ok(ranked)
    }

    // The model that is measured on test: fitted again where the study asks for it, again without the part.
    fn served_without(&self, part: Part, model: &DomainModel) -> Result<DomainModel> {
        if !self.study.recipe.refit {
            return Ok(model.clone());
        }
        let material = self.study.material().with_train(&self.study.problem.split.train_valid);
        Ok(refit_without(part, model, material, self.study.plan().seed, Session::unwatched())?)
    }

    fn ndcg(&self, ranked: &Ranked) -> Result<(Interval, Interval)> {
        let study = self.study;
        Ok((study.ndcg(&self.valid, &ranked.valid)?, study.ndcg(&self.test, &ranked.test)?))
    }

    fn differences(&self, ours: &Ranked, theirs: &Ranked) -> Result<(Comparison, Comparison)> {
        let study = self.study;
        let on_valid = study.difference(&self.valid, &ours.valid, &theirs.valid)?;
        Ok((on_valid, study.difference(&self.test, &ours.test, &theirs.test)?))
    }
}

// Whether the part is an expert, or a part of it.
fn is_concerned(part: Part, id: ExpertId) -> bool {
    match part {
        Part::Expert(kind) => id.kind == kind,
        Part::Sources => id.scope != Scope::Target,
        other => other.touches(id),
    }
}

fn part_name(study: &Study<'_>, part: Part) -> String {
    match part {
        Part::Source(domain) => format!("source {}", study.problem.name_of(domain)),
        other => other.to_string(),
    }
}

fn chosen(study: &Study<'_>, asked: &Asked) -> Result<Vec<Part>> {
    let named = &asked.parts;
    if named.is_empty() && !asked.is_empty() {
        return Ok(Vec::new());
    }
    let all = Part::all_of(study.plan(), study.material(), study.problem.target);
    let names: Vec<String> = all.iter().map(|part| part_name(study, *part)).collect();
    if named.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| -> Result<Part> {
        let at = names.iter().position(|known| known == name).with_context(|| {
            format!("`{name}` is no part of this recipe; its parts: {}", names.join(", "))
        })?;
        Ok(all[at])
    };
    named.iter().map(find).collect()
}
