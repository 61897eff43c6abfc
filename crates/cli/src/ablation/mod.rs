//! What each part of the recipe adds: the recipe with and without it, on the same cases.

mod page;
mod show;

pub(crate) use page::page;
pub(crate) use show::show;

use anyhow::{Context, Result};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::ExpertId;
use segue_train::ablation::{Part, fit_without};
use segue_train::{DomainFit, Judge, fit_domain};
use serde::Serialize;

use crate::screen::Screen;
use crate::study::{Subject, members, rank_model, watched};

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
}

/// A fit and its rankings.
struct Measured {
    fit: DomainFit,
    valid: Rankings,
    test: Rankings,
}

/// Measures all parts, or those that are named.
pub(crate) fn ablate(subject: &Subject<'_>, named: &[String], screen: Screen) -> Result<Ablation> {
    let (valid, test) = (subject.valid()?, subject.test()?);
    let parts = chosen(subject, named)?;
    let name = subject.target_name();
    let material = subject.material();
    let fit = watched(screen, &format!("{name}: all parts"), |session| {
        Ok(fit_domain(subject.plan, material, &valid, session)?)
    })?;
    let whole = measure(subject, (&valid, &test), fit)?;
    let mut rows = Vec::new();
    for part in parts {
        let part_name = part_name(subject, part);
        let fit = watched(screen, &format!("{name}: without {part_name}"), |session| {
            Ok(fit_without(part, (subject.plan, &whole.fit), material, &valid, session)?)
        })?;
        let without = measure(subject, (&valid, &test), fit)?;
        rows.push(PartRow {
            part: part_name,
            on_valid: subject.difference(&valid, &whole.valid, &without.valid)?,
            on_test: subject.difference(&test, &whole.test, &without.test)?,
            weight: weight_of(part, &whole.fit),
        });
    }
    Ok(Ablation {
        target: name.to_owned(),
        split: subject.split.description.clone(),
        seed: subject.plan.seed,
        refit: subject.refit,
        n_valid_cases: valid.n_cases(),
        n_test_cases: test.n_cases(),
        valid: subject.ndcg(&valid, &whole.valid)?,
        test: subject.ndcg(&test, &whole.test)?,
        members: members(&whole.fit.model),
        parts: rows,
    })
}

fn measure(
    subject: &Subject<'_>,
    (valid, test): (&Judge<'_>, &Judge<'_>),
    fit: DomainFit,
) -> Result<Measured> {
    let (valid, test) = (rank_model(valid, &fit.model)?, subject.rank_served(test, &fit.model)?);
    Ok(Measured { fit, valid, test })
}

fn weight_of(part: Part, fit: &DomainFit) -> f32 {
    let concerned = |id: ExpertId| match part {
        Part::Expert(kind) => id.kind == kind,
        Part::Sources => id.scope != segue_models::Scope::Target,
        other => other.touches(id),
    };
    fit.model.blend.members.iter().filter(|member| concerned(member.expert)).map(|member| member.warm).sum()
}

fn part_name(subject: &Subject<'_>, part: Part) -> String {
    match part {
        Part::Source(domain) => format!("source {}", subject.name_of(domain)),
        other => other.to_string(),
    }
}

fn chosen(subject: &Subject<'_>, named: &[String]) -> Result<Vec<Part>> {
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
