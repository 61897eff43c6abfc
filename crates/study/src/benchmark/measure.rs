//! One data set and seed: fit on train, measure on test, refit on train and valid, measure again.

use std::collections::BTreeMap;

use anyhow::Result;
use segue::encode::Provider;
use segue::observer::watched;
use segue::pipeline::{self, Recipe};
use segue::{Observer, Problem};
use segue_data::protocol::ProtocolData;
use segue_data::{Field, ItemCatalog, ItemGraph, TrainSet};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{MetricTable, TableSettings, compare};
use segue_eval::rank::TargetRank;
use segue_models::{ExpertId, ItemVectors, MediaVectors, Query, Scope};
use segue_recommend::Scratch;
use segue_recommend::{Blend, DomainModel};
use segue_train::floor::Floor;
use segue_train::judge::JudgeRule;
use segue_train::{DomainFit, Judge, MaskRule};

use super::Protocol;
use super::adapted::{Adaptable, Adapting, adapted_vectors};
use super::meter::Meter;
use super::published::Published;
use super::request::targets;
use super::row::{Candidates, Difference, Kind, Row};

/// All rows of one data set and seed.
#[derive(Default)]
pub struct Measured {
    pub sha256: String,
    pub rows: Vec<Row>,
    pub strict_rows: Vec<Row>,
    pub differences: Vec<Difference>,
    pub fits: Vec<(String, DomainFit)>,
}

/// How one data set is measured.
pub struct Benchmark<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The recipe; `refit`: it is measured on train alone first, then after a refit.
    pub recipe: Recipe,
    /// Vectors of the items' texts.
    pub text: Option<ItemVectors>,
    /// Vectors of the items' images and sounds.
    pub media: MediaVectors,
    /// How the encoder behind the texts' vectors is adapted for each target first, and that encoder.
    pub adapting: Option<(Adapting, &'a Provider)>,
    /// Who hears how far it is.
    pub observer: &'a dyn Observer,
}

/// Measures the domains of one data set that are asked for.
///
/// # Errors
/// When a target has no case, nothing can be fitted, or a score is not finite.
pub fn measure(
    benchmark: &Benchmark<'_>,
    data: &ProtocolData,
    asked: &[String],
    published: &Published,
) -> Result<Measured> {
    let mut measured = Measured { sha256: data.sha256.clone(), ..Measured::default() };
    let graph = ItemGraph::of(&data.dataset);
    let (recipe, rule) = (&benchmark.recipe, benchmark.protocol.rule(benchmark.recipe.plan.seed));
    for target in targets(&data.dataset, asked) {
        let meter = Meter::start();
        let mut problem = Problem {
            items: &data.dataset.items,
            domains: &data.dataset.domains,
            split: &data.split,
            text: benchmark.text.as_ref(),
            media: Some(&benchmark.media),
            graph: graph.as_ref(),
            target,
            rule,
        };
        let adapted = benchmark.adapted(&problem)?;
        problem.text = adapted.as_ref().or(problem.text);
        let (name, observer) = (problem.target_name().to_owned(), benchmark.observer);
        let task = format!("{name} (seed {})", recipe.plan.seed);
        let valid = problem.valid()?;
        let chosen = watched(observer, &task, |session| pipeline::choose(&problem, recipe, &valid, session))?;
        let test = problem.test()?;
        let mut sheet = Sheet { rule, seed: recipe.plan.seed, name: &name, test: &test, out: &mut measured };
        let single = &chosen.fit.fitted.single_domain;
        let train = &data.split.train;
        sheet.regime(&Regime { name: "train", model: chosen.model(), single, train, published }, &meter)?;
        if recipe.refit {
            let meter = Meter::start();
            let refitted =
                watched(observer, &task, |session| pipeline::refit(&problem, recipe, &chosen, session))?;
            let train = &data.split.train_valid;
            sheet.regime(&Regime { name: "refit", model: &refitted, single, train, published }, &meter)?;
        }
        measured.fits.push((name, chosen.fit));
    }
    Ok(measured)
}

impl Benchmark<'_> {
    fn adapted(&self, problem: &Problem<'_>) -> Result<Option<ItemVectors>> {
        match (&self.adapting, &self.text) {
            (Some((adapting, provider)), Some(text)) => {
                let objective = self.recipe.plan.objective;
                adapted_vectors(adapting, provider, &Adaptable { problem, text, objective }, self.observer)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// A regime under which a model is measured.
struct Regime<'a> {
    name: &'static str,
    model: &'a DomainModel,
    /// The best blend of the target's own experts.
    single: &'a Blend,
    /// What the model was fitted on.
    train: &'a TrainSet,
    published: &'a Published,
}

/// The best blend of the target's own experts.
const ONE_DOMAIN: &str = "blend-one-domain";

struct Sheet<'a> {
    rule: JudgeRule,
    seed: u64,
    name: &'a str,
    test: &'a Judge<'a>,
    out: &'a mut Measured,
}

impl Sheet<'_> {
    fn regime(&mut self, measured: &Regime<'_>, meter: &Meter) -> Result<()> {
        let &Regime { name: regime, model, single: single_domain, train, published } = measured;
        let items = self.test.items();
        let mut alone: Vec<(String, Rankings)> = Vec::new();
        for expert in &model.experts {
            let own = Meter::start();
            let rankings = self.test.rank(|query, scores| expert.score(query, items, scores))?;
            self.rows(&expert.id.to_string(), Kind::Expert, regime, &rankings, &own)?;
            alone.push((expert.id.to_string(), rankings));
        }
        let domain_name = self.name;
        let joined = with_joined_text(items);
        for recipe in published.floor.iter().filter(|r| r.domain.as_deref().is_none_or(|d| d == domain_name))
        {
            let own = Meter::start();
            // A floor that needs text stands aside where there is none.
            let Ok(floor) = Floor::fit(&recipe.parts, train, &joined, self.test.domain()) else { continue };
            let rankings = self.test.rank(|query, scores| floor.score(query, &joined, scores))?;
            self.rows(&recipe.name, Kind::Expert, regime, &rankings, &own)?;
        }
        let score = |query: &Query<'_>, scores: &mut [f32]| {
            model.score(query, items, &mut Scratch::default(), scores);
        };
        let blend = self.test.rank(score)?;
        self.rows("blend", Kind::Blend, regime, &blend, meter)?;
        self.differences(regime, model, &alone, &blend)?;
        if items.n_domains() > 1 {
            let score = |query: &Query<'_>, scores: &mut [f32]| {
                model.score_with(single_domain, query, items, &mut Scratch::default(), scores);
            };
            let single = self.test.rank(score)?;
            self.rows(ONE_DOMAIN, Kind::Blend, regime, &single, meter)?;
            self.transfers(regime, model, &alone, (&blend, &single))?;
        }
        Ok(())
    }

    // What the other domains add: to the blend, and to each model that reads several domains as one sequence.
    fn transfers(
        &mut self,
        regime: &'static str,
        model: &DomainModel,
        alone: &[(String, Rankings)],
        (blend, single): (&Rankings, &Rankings),
    ) -> Result<()> {
        let place = |id: ExpertId| model.experts.iter().position(|expert| expert.id == id);
        let mut pairs = vec![(("blend", blend), (ONE_DOMAIN, single))];
        for (at, expert) in model.experts.iter().enumerate().filter(|(_, e)| e.id.scope == Scope::All) {
            if let Some(own) = place(ExpertId { scope: Scope::Target, ..expert.id }) {
                pairs.push(((&alone[at].0, &alone[at].1), (&alone[own].0, &alone[own].1)));
            }
        }
        for (ours, theirs) in pairs {
            for view in [View::Masked, View::Unmasked, View::Sampled] {
                self.difference((regime, view), ours, theirs)?;
            }
        }
        Ok(())
    }

    // NDCG@10 of one system minus another's, paired by case.
    fn difference(
        &mut self,
        (regime, view): (&'static str, View),
        (candidate, ours): (&str, &Rankings),
        (baseline, theirs): (&str, &Rankings),
    ) -> Result<()> {
        let (ours, theirs) = (view.of(ours), view.of(theirs));
        if ours.is_empty() {
            return Ok(());
        }
        let compared = compare(ours, theirs, Some(self.test.users()), &settings(self.seed))?;
        let Some(ndcg) = compared.get("ndcg@10") else { return Ok(()) };
        let n = self.test.negatives().first().map_or(0, Vec::len);
        self.out.differences.push(Difference {
            candidate: candidate.to_owned(),
            baseline: baseline.to_owned(),
            domain: self.name.to_owned(),
            regime,
            mask_rule: if view == View::Unmasked { "none" } else { self.rule() },
            candidates: if view == View::Sampled { Candidates::Sampled(n) } else { Candidates::All("all") },
            seed: self.seed,
            metric: "ndcg@10",
            mean: ndcg.difference.mean,
            ci95: [ndcg.difference.lo, ndcg.difference.hi],
        });
        Ok(())
    }

    fn rows(
        &mut self,
        name: &str,
        kind: Kind,
        regime: &'static str,
        rankings: &Rankings,
        meter: &Meter,
    ) -> Result<()> {
        let usage = meter.read();
        let row = |ranks: &[TargetRank], mask_rule: &'static str, candidates: Candidates| -> Result<Row> {
            let table = MetricTable::of(ranks, Some(self.test.users()), &settings(self.seed))?;
            Ok(Row {
                name: name.to_owned(),
                kind,
                domain: self.name.to_owned(),
                regime: Some(regime),
                mask: Some(mask_rule != "none"),
                mask_rule: Some(mask_rule),
                candidates,
                seed: Some(self.seed),
                metrics: table.metrics.iter().map(|(key, interval)| (key.clone(), interval.mean)).collect(),
                ci95: table
                    .metrics
                    .iter()
                    .map(|(key, interval)| (key.clone(), [interval.lo, interval.hi]))
                    .collect(),
                wall_s: Some(usage.wall_s),
                cpu_s: usage.cpu_s,
                peak_rss_bytes: usage.peak_rss_bytes,
            })
        };
        let mut rows = vec![
            row(&rankings.masked, self.rule(), Candidates::All("all"))?,
            row(&rankings.unmasked, "none", Candidates::All("all"))?,
        ];
        if !rankings.sampled.is_empty() {
            let n = self.test.negatives().first().map_or(0, Vec::len);
            rows.push(row(&rankings.sampled, self.rule(), Candidates::Sampled(n))?);
        }
        let strict = if self.rule.mask == MaskRule::Seen {
            None
        } else {
            Some(row(&self.strict(&rankings.masked), "seen", Candidates::All("all"))?)
        };
        self.out.rows.extend(rows);
        self.out.strict_rows.extend(strict);
        Ok(())
    }

    fn rule(&self) -> &'static str {
        match self.rule.mask {
            MaskRule::Seen => "seen",
            MaskRule::SeenExceptTarget => "seen-except-target",
        }
    }

    // A target that the history has is a miss when seen items are hidden.
    fn strict(&self, ranks: &[TargetRank]) -> Vec<TargetRank> {
        let seen = |(rank, (history, target)): (&TargetRank, (&Vec<u32>, &u32))| {
            if history.contains(target) { TargetRank::unreachable(rank.n_candidates) } else { *rank }
        };
        ranks.iter().zip(self.test.histories().iter().zip(self.test.targets())).map(seen).collect()
    }

    fn differences(
        &mut self,
        regime: &'static str,
        model: &DomainModel,
        alone: &[(String, Rankings)],
        blend: &Rankings,
    ) -> Result<()> {
        let members: Vec<usize> = model.blend.active().collect();
        for view in [View::Masked, View::Unmasked, View::Sampled] {
            let ndcg = |at: &usize| mean_ndcg(view.of(&alone[*at].1));
            let Some(&best) = members.iter().max_by(|a, b| ndcg(a).total_cmp(&ndcg(b))) else { continue };
            self.difference((regime, view), ("blend", blend), (&alone[best].0, &alone[best].1))?;
        }
        Ok(())
    }
}

// Floors read title and brand as one text, so that bigrams cross from one to the other.
fn with_joined_text(items: &ItemCatalog) -> ItemCatalog {
    let text = |name: &str, at: usize| items.field(name).map_or("", |field| field.values[at].as_str());
    if items.field("title").is_none() {
        return items.clone();
    }
    let values = (0..items.len()).map(|at| format!("{} {}", text("title", at), text("brand", at))).collect();
    items.clone().with_field(Field { name: "joined".into(), values })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Masked,
    Unmasked,
    Sampled,
}

impl View {
    fn of(self, rankings: &Rankings) -> &[TargetRank] {
        match self {
            Self::Masked => &rankings.masked,
            Self::Unmasked => &rankings.unmasked,
            Self::Sampled => &rankings.sampled,
        }
    }
}

fn mean_ndcg(ranks: &[TargetRank]) -> f64 {
    segue_train::judge::mean(&segue_train::judge::ndcg_of(ranks))
}

fn settings(seed: u64) -> TableSettings {
    let mut settings = TableSettings::default();
    settings.bootstrap.seed = seed;
    settings
}

/// Metric means of rows that differ in nothing but the seed.
pub fn over_seeds(rows: &[&Row], metric: &str) -> (f64, f64) {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.metrics.get(metric).copied()).collect();
    let mean = segue_train::judge::mean(&values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };
    (mean, sd)
}

/// Rows grouped by everything but the seed, in order of first appearance.
pub fn grouped<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Vec<&'a Row>> {
    let mut order: Vec<Vec<&Row>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let key =
            format!("{}|{}|{:?}|{:?}|{:?}", row.name, row.domain, row.regime, row.mask_rule, row.candidates);
        let place = *places.entry(key).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[place].push(row);
    }
    order
}
