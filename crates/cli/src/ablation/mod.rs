//! What each part of the recipe adds: the recipe with and without it, on the same cases.

mod asked;
mod graph;
mod page;
mod show;

pub(crate) use asked::Asked;
pub(crate) use page::page;
pub(crate) use show::show;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::{ExpertId, Scope};
use segue_recommend::DomainModel;
use segue_train::ablation::{Part, fit_without, refit_without};
use segue_train::{DomainFit, Judge, Session, fit_domain};
use serde::Serialize;

use self::graph::GraphTable;
use crate::screen::Screen;
use crate::study::{Subject, rank_model, watched};

/// The table of one target.
#[derive(Debug, Serialize)]
pub(crate) struct Ablation {
    pub(crate) target: String,
    pub(crate) split: String,
    pub(crate) seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub(crate) refit: bool,
    pub(crate) n_valid_cases: usize,
    pub(crate) n_test_cases: usize,
    /// NDCG@10 of the whole recipe.
    pub(crate) valid: Interval,
    pub(crate) test: Interval,
    /// Experts of its blend, with their weights.
    pub(crate) members: Vec<(ExpertId, f32)>,
    pub(crate) parts: Vec<PartRow>,
    /// Each modality left out of everything that reads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) modalities: Vec<PartRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) graph: Option<GraphTable>,
}

/// What a part adds.
#[derive(Debug, Serialize)]
pub(crate) struct PartRow {
    /// Its name.
    pub(crate) part: String,
    /// The whole recipe minus the recipe without it.
    pub(crate) on_valid: Comparison,
    pub(crate) on_test: Comparison,
    /// The weight of the experts that the part is or lives in, in the blend of the whole recipe.
    pub(crate) weight: f32,
    /// Those experts, the refused ones included.
    pub(crate) experts: Vec<(ExpertId, f32)>,
    pub(crate) verdict: String,
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
struct Study<'s, 'a> {
    subject: &'s Subject<'a>,
    valid: Judge<'a>,
    test: Judge<'a>,
    screen: Screen,
    fit: DomainFit,
    whole: Ranked,
    // Two tables may ask for the same.
    without: BTreeMap<Part, Ranked>,
}

/// Measures what is asked for.
pub(crate) fn ablate(subject: &Subject<'_>, asked: &Asked, screen: Screen) -> Result<Ablation> {
    let parts = chosen(subject, asked)?;
    let (graphs, modalities) = (asked.graphs(subject)?, asked.modalities(subject)?);
    let mut study = Study::new(subject, screen)?;
    let graph = (!graphs.is_empty()).then(|| GraphTable::measure(&mut study, &graphs)).transpose()?;
    let modalities: Vec<Part> = modalities.into_iter().map(Part::Modality).collect();
    let (parts, modalities) = (study.rows(&parts)?, study.rows(&modalities)?);
    let (valid, test) = study.ndcg(&study.whole)?;
    Ok(Ablation {
        target: subject.target_name().to_owned(),
        split: subject.split.description.clone(),
        seed: subject.plan.seed,
        refit: subject.refit,
        n_valid_cases: study.valid.n_cases(),
        n_test_cases: study.test.n_cases(),
        valid,
        test,
        members: study.whole.members(),
        parts,
        modalities,
        graph,
    })
}

impl<'s, 'a> Study<'s, 'a> {
    fn new(subject: &'s Subject<'a>, screen: Screen) -> Result<Self> {
        let (valid, test) = (subject.valid()?, subject.test()?);
        let what = format!("{}: all parts", subject.target_name());
        let fit = watched(screen, &what, |session| {
            Ok(fit_domain(subject.plan, subject.material(), &valid, session)?)
        })?;
        let whole = Ranked {
            valid: rank_model(&valid, &fit.model)?,
            test: subject.rank_served(&test, &fit.model)?,
            weights: all_weights(&fit.model),
        };
        Ok(Self { subject, valid, test, screen, fit, whole, without: BTreeMap::new() })
    }

    fn rows(&mut self, parts: &[Part]) -> Result<Vec<PartRow>> {
        let mut rows = Vec::new();
        for &part in parts {
            let without = self.without(part)?;
            let (on_valid, on_test) = self.differences(&self.whole, &without)?;
            let is_modality = matches!(part, Part::Modality(_));
            let experts = self.whole.weights_of(|id| is_concerned(part, id));
            let weight = experts.iter().map(|(_, weight)| weight).sum();
            let (part, verdict) = (part_name(self.subject, part), String::new());
            let mut row = PartRow { part, on_valid, on_test, weight, experts, verdict };
            let target = self.subject.target_name();
            row.verdict =
                if is_modality { show::of_modality(target, &row) } else { show::of_part(target, &row) }.text;
            rows.push(row);
        }
        Ok(rows)
    }

    fn without(&mut self, part: Part) -> Result<Ranked> {
        if let Some(ranked) = self.without.get(&part) {
            return Ok(ranked.clone());
        }
        let Self { subject, valid, fit, .. } = &*self;
        let what = format!("{}: without {}", subject.target_name(), part_name(subject, part));
        let left = watched(self.screen, &what, |session| {
            Ok(fit_without(part, (subject.plan, fit), subject.material(), valid, session)?)
        })?;
        let ranked = Ranked {
            valid: rank_model(valid, &left.model)?,
            test: rank_model(&self.test, &self.served_without(part, &left.model)?)?,
            weights: all_weights(&left.model),
        };
        self.without.insert(part, ranked.clone());
        Ok(ranked)
    }

    // The model that is measured on test: fitted again where the subject asks for it, again without the part.
    fn served_without(&self, part: Part, model: &DomainModel) -> Result<DomainModel> {
        if !self.subject.refit {
            return Ok(model.clone());
        }
        let material = self.subject.material().with_train(&self.subject.split.train_valid);
        Ok(refit_without(part, model, material, self.subject.plan.seed, Session::unwatched())?)
    }

    fn ndcg(&self, ranked: &Ranked) -> Result<(Interval, Interval)> {
        let subject = self.subject;
        Ok((subject.ndcg(&self.valid, &ranked.valid)?, subject.ndcg(&self.test, &ranked.test)?))
    }

    fn differences(&self, ours: &Ranked, theirs: &Ranked) -> Result<(Comparison, Comparison)> {
        let subject = self.subject;
        let on_valid = subject.difference(&self.valid, &ours.valid, &theirs.valid)?;
        Ok((on_valid, subject.difference(&self.test, &ours.test, &theirs.test)?))
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

fn part_name(subject: &Subject<'_>, part: Part) -> String {
    match part {
        Part::Source(domain) => format!("source {}", subject.name_of(domain)),
        other => other.to_string(),
    }
}

fn chosen(subject: &Subject<'_>, asked: &Asked) -> Result<Vec<Part>> {
    let named = &asked.parts;
    if named.is_empty() && !asked.is_empty() {
        return Ok(Vec::new());
    }
    let all = Part::all_of(subject.plan, subject.material(), subject.target);
    let names: Vec<String> = all.iter().map(|part| part_name(subject, *part)).collect();
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
