//! Rows and differences of one domain: each system ranks the test cases, and is measured under every mask and candidate rule.

use anyhow::Result;
use segue::Problem;
use segue_data::{Field, ItemCatalog, TrainSet};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{MetricTable, TableSettings, compare};
use segue_eval::rank::TargetRank;
use segue_models::{ExpertId, Query, Scope};
use segue_recommend::{Blend, DomainModel};
use segue_train::floor::Floor;
use segue_train::judge::{mean, ndcg_of};
use segue_train::{Judge, MaskRule};

use super::measure::Measured;
use super::meter::{Cost, Meter};
use super::published::Published;
use super::row::{BenchmarkRow, RowCandidates, RowDifference, RowKind};

/// The best blend of the target's own experts.
const ONE_DOMAIN: &str = "blend-one-domain";

/// A model that is measured, and beside what.
pub(super) struct Regime<'a> {
    pub(super) name: &'static str,
    pub(super) model: &'a DomainModel,
    /// The best blend of the target's own experts.
    pub(super) single: &'a Blend,
    /// What the model was fitted on; floors are fitted on the same.
    pub(super) train: &'a TrainSet,
    pub(super) published: &'a Published,
    /// Runs since the fit began.
    pub(super) meter: Meter,
}

/// Where the rows of one domain are written.
pub(super) struct Sheet<'a> {
    mask: MaskRule,
    seed: u64,
    domain: &'a str,
    test: &'a Judge<'a>,
    measured: &'a mut Measured,
}

/// A system that has ranked the test cases.
struct RankedSystem {
    name: String,
    kind: RowKind,
    ranks: Rankings,
    cost: Cost,
}

impl<'a> Sheet<'a> {
    /// A sheet for the rows of a problem's target, measured on `test`; `seed` of the intervals.
    pub(super) fn new(
        problem: &Problem<'a>,
        seed: u64,
        test: &'a Judge<'a>,
        measured: &'a mut Measured,
    ) -> Self {
        Self { mask: problem.rule.mask, seed, domain: problem.target_name(), test, measured }
    }

    /// Measures the experts of a model, the floors, the blend, and what other domains add to it.
    pub(super) fn fill(&mut self, regime: &Regime<'_>) -> Result<()> {
        let experts = self.rank_experts(regime)?;
        let floors = self.rank_floors(regime)?;
        let blend = self.rank_blend("blend", &regime.model.blend, regime)?;
        for system in experts.iter().chain(&floors).chain([&blend]) {
            self.write_rows(system, regime.name)?;
        }
        self.over_best_expert(regime, &experts, &blend)?;
        if self.test.items().n_domains() > 1 {
            let single = self.rank_blend(ONE_DOMAIN, regime.single, regime)?;
            self.write_rows(&single, regime.name)?;
            self.over_one_domain(regime, &experts, &blend, &single)?;
        }
        Ok(())
    }

    fn rank_experts(&self, regime: &Regime<'_>) -> Result<Vec<RankedSystem>> {
        let mut systems = Vec::new();
        for expert in &regime.model.experts {
            let meter = Meter::start();
            let ranks = self.test.rank(|query, scores| expert.score(query, self.test.items(), scores))?;
            let (name, kind) = (expert.id.to_string(), RowKind::Expert);
            systems.push(RankedSystem { name, kind, ranks, cost: meter.read() });
        }
        Ok(systems)
    }

    fn rank_floors(&self, regime: &Regime<'_>) -> Result<Vec<RankedSystem>> {
        let items = with_joined_text(self.test.items());
        let is_for_it = |domain: &Option<String>| domain.as_deref().is_none_or(|name| name == self.domain);
        let mut systems = Vec::new();
        for recipe in regime.published.floor.iter().filter(|recipe| is_for_it(&recipe.domain)) {
            let meter = Meter::start();
            // A floor that needs text stands aside where there is none.
            let Ok(floor) = Floor::fit(&recipe.parts, regime.train, &items, self.test.domain()) else {
                continue;
            };
            let ranks = self.test.rank(|query, scores| floor.score(query, &items, scores))?;
            let (name, kind) = (recipe.name.clone(), RowKind::Expert);
            systems.push(RankedSystem { name, kind, ranks, cost: meter.read() });
        }
        Ok(systems)
    }

    fn rank_blend(&self, name: &str, blend: &Blend, regime: &Regime<'_>) -> Result<RankedSystem> {
        let ranks = self.test.rank(|query: &Query<'_>, scores: &mut [f32]| {
            regime.model.score_with(blend, query, self.test.items(), scores);
        })?;
        Ok(RankedSystem { name: name.to_owned(), kind: RowKind::Blend, ranks, cost: regime.meter.read() })
    }

    /// The blend against the best of its experts on test, under each view.
    fn over_best_expert(
        &mut self,
        regime: &Regime<'_>,
        experts: &[RankedSystem],
        blend: &RankedSystem,
    ) -> Result<()> {
        let members: Vec<usize> = regime.model.blend.active().collect();
        for view in View::ALL {
            let ndcg = |at: &usize| mean_ndcg(view.of(&experts[*at].ranks));
            let Some(&best) = members.iter().max_by(|a, b| ndcg(a).total_cmp(&ndcg(b))) else { continue };
            self.write_difference(regime.name, view, blend, &experts[best])?;
        }
        Ok(())
    }

    /// What the other domains add: to the blend, and to each model that reads several domains as one sequence.
    fn over_one_domain(
        &mut self,
        regime: &Regime<'_>,
        experts: &[RankedSystem],
        blend: &RankedSystem,
        single: &RankedSystem,
    ) -> Result<()> {
        let ids: Vec<ExpertId> = regime.model.experts.iter().map(|expert| expert.id).collect();
        let mut pairs = vec![[blend, single]];
        for (at, &id) in ids.iter().enumerate().filter(|(_, id)| id.scope == Scope::All) {
            let own = ExpertId { scope: Scope::Target, ..id };
            if let Some(own) = ids.iter().position(|other| *other == own) {
                pairs.push([&experts[at], &experts[own]]);
            }
        }
        for [ours, theirs] in pairs {
            for view in View::ALL {
                self.write_difference(regime.name, view, ours, theirs)?;
            }
        }
        Ok(())
    }

    /// NDCG@10 of one system minus another's, paired by case.
    fn write_difference(
        &mut self,
        regime: &'static str,
        view: View,
        ours: &RankedSystem,
        theirs: &RankedSystem,
    ) -> Result<()> {
        let (our_ranks, their_ranks) = (view.of(&ours.ranks), view.of(&theirs.ranks));
        if our_ranks.is_empty() {
            return Ok(());
        }
        let compared = compare(our_ranks, their_ranks, Some(self.test.users()), &settings(self.seed))?;
        let Some(ndcg) = compared.get("ndcg@10") else { return Ok(()) };
        self.measured.differences.push(RowDifference {
            candidate: ours.name.clone(),
            baseline: theirs.name.clone(),
            domain: self.domain.to_owned(),
            regime,
            mask_rule: if view == View::Unmasked { "none" } else { self.mask_name() },
            candidates: if view == View::Sampled { self.sampled() } else { RowCandidates::ALL },
            seed: self.seed,
            metric: "ndcg@10",
            mean: ndcg.difference.mean,
            ci95: [ndcg.difference.lo, ndcg.difference.hi],
        });
        Ok(())
    }

    fn write_rows(&mut self, system: &RankedSystem, regime: &'static str) -> Result<()> {
        let row = |ranks: &[TargetRank], mask_rule: &'static str, candidates: RowCandidates| {
            let row = self.row(system, ranks, mask_rule)?;
            Ok::<BenchmarkRow, anyhow::Error>(BenchmarkRow { regime: Some(regime), candidates, ..row })
        };
        let ranks = &system.ranks;
        let mut rows = vec![
            row(&ranks.masked, self.mask_name(), RowCandidates::ALL)?,
            row(&ranks.unmasked, "none", RowCandidates::ALL)?,
        ];
        if !ranks.sampled.is_empty() {
            rows.push(row(&ranks.sampled, self.mask_name(), self.sampled())?);
        }
        let is_strict = self.mask == MaskRule::Seen;
        let strict = if is_strict {
            None
        } else {
            Some(row(&self.strict(&ranks.masked), "seen", RowCandidates::ALL)?)
        };
        self.measured.rows.extend(rows);
        self.measured.strict_rows.extend(strict);
        Ok(())
    }

    fn row(
        &self,
        system: &RankedSystem,
        ranks: &[TargetRank],
        mask_rule: &'static str,
    ) -> Result<BenchmarkRow> {
        let metrics = MetricTable::of(ranks, Some(self.test.users()), &settings(self.seed))?.metrics;
        Ok(BenchmarkRow {
            name: system.name.clone(),
            kind: system.kind,
            domain: self.domain.to_owned(),
            regime: None,
            mask: Some(mask_rule != "none"),
            mask_rule: Some(mask_rule),
            candidates: RowCandidates::ALL,
            seed: Some(self.seed),
            metrics: metrics.iter().map(|(key, interval)| (key.clone(), interval.mean)).collect(),
            ci95: metrics.iter().map(|(key, interval)| (key.clone(), [interval.lo, interval.hi])).collect(),
            wall_s: Some(system.cost.wall_s),
            cpu_s: system.cost.cpu_s,
            peak_rss_bytes: system.cost.peak_rss_bytes,
        })
    }

    fn mask_name(&self) -> &'static str {
        match self.mask {
            MaskRule::Seen => "seen",
            MaskRule::SeenExceptTarget => "seen-except-target",
        }
    }

    fn sampled(&self) -> RowCandidates {
        RowCandidates::Sampled(self.test.negatives().first().map_or(0, Vec::len))
    }

    /// A target that the history has is a miss when seen items are hidden.
    fn strict(&self, ranks: &[TargetRank]) -> Vec<TargetRank> {
        let strict = |(at, rank): (usize, &TargetRank)| {
            let is_known = self.test.histories()[at].contains(&self.test.targets()[at]);
            if is_known { TargetRank::unreachable(rank.n_candidates) } else { *rank }
        };
        ranks.iter().enumerate().map(strict).collect()
    }
}

/// Floors read title and brand as one text, so that bigrams cross from one to the other.
fn with_joined_text(items: &ItemCatalog) -> ItemCatalog {
    let text = |name: &str, at: usize| items.field(name).map_or("", |field| field.values[at].as_str());
    if items.field("title").is_none() {
        return items.clone();
    }
    let values = (0..items.len()).map(|at| format!("{} {}", text("title", at), text("brand", at))).collect();
    items.clone().with_field(Field { name: "joined".into(), values })
}

/// Under which mask and among which candidates a target is ranked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Masked,
    Unmasked,
    Sampled,
}

impl View {
    const ALL: [Self; 3] = [Self::Masked, Self::Unmasked, Self::Sampled];

    fn of(self, rankings: &Rankings) -> &[TargetRank] {
        match self {
            Self::Masked => &rankings.masked,
            Self::Unmasked => &rankings.unmasked,
            Self::Sampled => &rankings.sampled,
        }
    }
}

fn mean_ndcg(ranks: &[TargetRank]) -> f64 {
    mean(&ndcg_of(ranks))
}

fn settings(seed: u64) -> TableSettings {
    let mut settings = TableSettings::default();
    settings.bootstrap.seed = seed;
    settings
}
