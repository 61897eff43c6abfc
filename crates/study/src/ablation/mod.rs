//! What each part of the recipe adds: the recipe with and without it, on the same cases.

mod part;
mod request;
mod graph;
mod page;
mod sentences;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::{ExpertId, Scope};
use segue_recommend::DomainModel;
use segue_train::{DomainFit, Judge, Session};
use serde::Serialize;

pub use graph::{GraphDifference, GraphTable, VersionRow};
pub use page::page;
pub use part::{Part, SequencePart, WholeFit, fit_without, refit_without};
pub use request::{AblationRequest, GraphVersion};
pub use sentences::{heading, sentences};

use crate::study::{ExpertWeight, Study, all_weights, rank_model};

/// The table of one target.
#[derive(Debug, Serialize)]
pub struct Ablation {
    /// Name of the target.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the fits, the random graph and the intervals.
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    /// Cases on which everything was chosen.
    pub n_valid_cases: usize,
    /// Cases on which nothing was chosen.
    pub n_test_cases: usize,
    /// NDCG@10 of the whole recipe on valid.
    pub valid: Interval,
    /// The same on test.
    pub test: Interval,
    /// Experts of its blend, with their weights.
    pub members: Vec<ExpertWeight>,
    /// Each part that was switched off.
    pub parts: Vec<PartRow>,
    /// Each modality left out of everything that reads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modalities: Vec<PartRow>,
    /// The recipe with other graphs, where these were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph: Option<GraphTable>,
}

/// What a part adds.
#[derive(Debug, Serialize)]
pub struct PartRow {
    /// Its name.
    pub part: String,
    /// NDCG@10 on valid: the whole recipe minus the recipe without it.
    pub on_valid: Comparison,
    /// The same on test.
    pub on_test: Comparison,
    /// The weight of the experts that the part is or lives in, in the blend of the whole recipe.
    pub weight: f32,
    /// Those experts, the refused ones included.
    pub experts: Vec<ExpertWeight>,
    /// What test says, in a sentence.
    pub verdict: String,
}

/// Rankings of a fit, and the weights of all its experts, the refused ones included.
#[derive(Clone)]
struct Ranked {
    valid: Rankings,
    test: Rankings,
    weights: Vec<ExpertWeight>,
}

impl Ranked {
    fn members(&self) -> Vec<ExpertWeight> {
        let mut members = self.weights.clone();
        members.retain(|member| member.weight > 0.0);
        members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        members
    }

    /// The blend's decision about the experts concerned.
    fn weights_of(&self, is_concerned: impl Fn(ExpertId) -> bool) -> Vec<ExpertWeight> {
        self.weights.iter().copied().filter(|member| is_concerned(member.expert)).collect()
    }
}

/// A target while it is studied.
struct TargetAblation<'s, 'a> {
    study: &'s Study<'a>,
    valid: Judge<'a>,
    test: Judge<'a>,
    fit: DomainFit,
    whole: Ranked,
    /// Kept, since two tables may ask for the same.
    without: BTreeMap<Part, Ranked>,
}

/// Measures what is asked for.
///
/// # Errors
/// When the recipe has no part of a name, or nothing to lose of a modality; when the target has no case or nothing can be fitted.
pub fn ablate(study: &Study<'_>, request: &AblationRequest) -> Result<Ablation> {
    let parts = chosen(study, request)?;
    let (graphs, modalities) = (request.graphs_of(study)?, request.modalities_of(study)?);
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
        let task = format!("{}: all parts", study.target_name());
        let fitted = study.fit(&task, &valid)?;
        let fit = fitted.chosen.fit;
        let whole = Ranked {
            valid: rank_model(&valid, &fit.model)?,
            test: rank_model(&test, &fitted.served)?,
            weights: all_weights(&fit.model),
        };
        Ok(Self { study, valid, test, fit, whole, without: BTreeMap::new() })
    }

    fn rows(&mut self, parts: &[Part]) -> Result<Vec<PartRow>> {
        parts.iter().map(|&part| self.row(part)).collect()
    }

    fn row(&mut self, part: Part) -> Result<PartRow> {
        let without = self.without(part)?;
        let (on_valid, on_test) = self.differences(&self.whole, &without)?;
        let experts = self.whole.weights_of(|id| is_concerned(part, id));
        let weight = experts.iter().map(|expert| expert.weight).sum();
        let (name, verdict) = (part_name(self.study, part), String::new());
        let mut row = PartRow { part: name, on_valid, on_test, weight, experts, verdict };
        let target = self.study.target_name();
        let sentence = match part {
            Part::Modality(_) => sentences::modality_sentence(target, &row),
            _ => sentences::part_sentence(target, &row),
        };
        row.verdict = sentence.text;
        Ok(row)
    }

    fn without(&mut self, part: Part) -> Result<Ranked> {
        if let Some(ranked) = self.without.get(&part) {
            return Ok(ranked.clone());
        }
        let Self { study, valid, fit, .. } = &*self;
        let task = format!("{}: without {}", study.target_name(), part_name(study, part));
        let whole = WholeFit { plan: study.plan(), fit, material: study.material() };
        let left = study.watched(&task, |session| fit_without(part, whole, valid, session))?;
        let ranked = Ranked {
            valid: rank_model(valid, &left.model)?,
            test: rank_model(&self.test, &self.served_without(part, &left.model)?)?,
            weights: all_weights(&left.model),
        };
        self.without.insert(part, ranked.clone());
        Ok(ranked)
    }

    /// The model that is measured on test: fitted again where the study asks for it, again without the part.
    fn served_without(&self, part: Part, model: &DomainModel) -> Result<DomainModel> {
        if !self.study.recipe.refit {
            return Ok(model.clone());
        }
        let material = self.study.problem.refit_material();
        Ok(refit_without(part, model, material, self.study.plan().seed, Session::unwatched())?)
    }

    /// NDCG@10 on valid and on test.
    fn ndcg(&self, ranked: &Ranked) -> Result<(Interval, Interval)> {
        let study = self.study;
        Ok((study.ndcg(&self.valid, &ranked.valid)?, study.ndcg(&self.test, &ranked.test)?))
    }

    /// NDCG@10 of the first minus that of the second, on valid and on test.
    fn differences(&self, ours: &Ranked, theirs: &Ranked) -> Result<(Comparison, Comparison)> {
        let study = self.study;
        let on_valid = study.difference(&self.valid, &ours.valid, &theirs.valid)?;
        Ok((on_valid, study.difference(&self.test, &ours.test, &theirs.test)?))
    }
}

/// Whether the part is an expert, or a part of it.
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

fn chosen(study: &Study<'_>, request: &AblationRequest) -> Result<Vec<Part>> {
    let named = &request.parts;
    if named.is_empty() && !request.is_empty() {
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
