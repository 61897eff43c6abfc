//! What fusion by self-attention is worth beside a blend of single modalities, and whether the weights it shows are true.

mod fits;
pub mod tokens;
pub mod faithfulness;
mod page;
mod sentences;

pub use page::page;
pub use sentences::{heading, sentences};

use crate::fusion::faithfulness::{Faithfulness, Tested, faithfulness, weights_sum};
use crate::fusion::tokens::{blend_late, with_members};
use anyhow::{Context, Result};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::{Expert, TokenKind};
use segue_recommend::{Blend, DomainModel};
use segue_train::Judge;
use serde::Serialize;

use self::fits::Fits;
use crate::study::{Study, rank_model};

/// Share of the cases in which the weights must say what the expert misses most.
const FAITHFUL_MIN: f64 = 0.9;
/// Share of what a modality added that its absence at test time may cost.
const COST_MAX: f64 = 0.5;
/// How far a sum of weights may be from 1.
const SUM_TOLERANCE: f32 = 1e-5;

/// The study of one target.
#[derive(Debug, Serialize)]
pub struct FusionTable {
    pub target: String,
    pub split: String,
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    pub n_valid_cases: usize,
    pub n_test_cases: usize,
    /// What the fused model fuses.
    pub tokens: Vec<TokenKind>,
    /// The fused model, those of one modality, the late blend of those.
    pub models: Vec<ModelRow>,
    /// Weight of each model of one modality in the late blend.
    pub late_weights: Vec<(String, f32)>,
    /// Fused minus late blend.
    pub over_late: Pair,
    /// As many fused models as the late blend has, of neighboring seeds and blended like those, minus the late blend.
    pub alike_over_late: Pair,
    /// Fused minus the model of one modality that is best on valid, with its name.
    pub over_best: (String, Pair),
    pub weights: WeightsCheck,
    pub faithful: Vec<Faithful>,
    pub missing: Vec<Missing>,
    pub verdicts: Vec<String>,
}

/// NDCG@10 of a model.
#[derive(Debug, Serialize)]
pub struct ModelRow {
    pub name: String,
    pub valid: Interval,
    pub test: Interval,
}

/// A paired difference of NDCG@10.
#[derive(Debug, Serialize)]
pub struct Pair {
    pub on_valid: Comparison,
    pub on_test: Comparison,
}

/// Whether weights sum to 1.
#[derive(Debug, Serialize)]
pub struct WeightsCheck {
    /// Items that have weights.
    pub n_items: usize,
    /// The furthest that one's sum is from 1.
    pub furthest_from_one: f32,
    pub passes: bool,
}

/// Whether the largest weight says what is missed most.
#[derive(Debug, Serialize)]
pub struct Faithful {
    #[serde(flatten)]
    pub measured: Faithfulness,
    /// Whether the share reaches the bar.
    pub passes: bool,
}

/// One modality missing.
#[derive(Debug, Serialize)]
pub struct Missing {
    pub token: TokenKind,
    /// What it added: the fused model minus one trained without it.
    pub gain: Comparison,
    /// What its absence costs: the fused model minus the same model with the token left out of all items at test time.
    pub cost: Comparison,
    /// Cost as a share of the gain; `None` where nothing was gained.
    pub share: Option<f64>,
    /// Whether the share is within the bar; `None` where no gain is proved, so that there is nothing to keep.
    pub passes: Option<bool>,
}

/// A model with its rankings of the valid and the test cases: as fitted on train, and as served.
struct Ranked {
    name: String,
    models: (DomainModel, DomainModel),
    ranks: [Rankings; 2],
}

/// What models are ranked on.
struct Cases<'s, 'a> {
    study: &'s Study<'a>,
    valid: Judge<'a>,
    test: Judge<'a>,
}

/// Trains, blends and checks.
pub fn study(study: &Study<'_>) -> Result<FusionTable> {
    fits::check(study)?;
    let cases = Cases { study, valid: study.problem.valid()?, test: study.problem.test()? };
    let mut fits = Fits::new(study, &cases.valid);
    let tokens = fits.fused()?;
    let fused = cases.rank(format!("fused: {}", names(&tokens)), fits.of(&tokens)?.clone())?;
    let mut singles = Vec::new();
    for tokens in singles_of(&tokens) {
        singles.push(cases.rank(names(&tokens), fits.of(&tokens)?.clone())?);
    }
    let mut alike = Vec::new();
    for off in 0..singles.len() as u64 {
        alike.push(cases.rank("fused".to_owned(), fits.again(&tokens, off)?.clone())?);
    }
    let late = cases.blend("late blend of these".to_owned(), &singles)?;
    let alike = cases.blend(format!("blend of {} fused", singles.len()), &alike)?;
    let best = cases.best_on_valid(&singles)?;
    let expert = fused.models.1.experts.first().context("the fused model has one expert")?;
    let late_weights = late.models.0.blend.members.iter().map(|member| member.warm);
    let models = std::iter::once(&fused).chain(&singles).chain([&late, &alike]);
    let mut table = FusionTable {
        target: study.target_name().to_owned(),
        split: study.problem.split.description.clone(),
        seed: study.plan().seed,
        refit: study.recipe.refit,
        n_valid_cases: cases.valid.n_cases(),
        n_test_cases: cases.test.n_cases(),
        models: models.map(|model| cases.row(model)).collect::<Result<_>>()?,
        late_weights: singles.iter().map(|single| single.name.clone()).zip(late_weights).collect(),
        over_late: cases.pair(&fused, &late)?,
        alike_over_late: cases.pair(&alike, &late)?,
        over_best: (best.name.clone(), cases.pair(&fused, best)?),
        weights: check_weights(expert, fused.models.1.n_candidates()),
        faithful: check_faithful(study, expert, &cases.test)?,
        missing: cases.missing(&mut fits, (&tokens, &fused))?,
        tokens,
        verdicts: Vec::new(),
    };
    table.verdicts = sentences::sentences(&table).into_iter().map(|sentence| sentence.text).collect();
    Ok(table)
}

impl Cases<'_, '_> {
    fn rank(&self, name: String, models: (DomainModel, DomainModel)) -> Result<Ranked> {
        let ranks = [rank_model(&self.valid, &models.0)?, rank_model(&self.test, &models.1)?];
        Ok(Ranked { name, models, ranks })
    }

    fn row(&self, model: &Ranked) -> Result<ModelRow> {
        let valid = self.study.ndcg(&self.valid, &model.ranks[0])?;
        Ok(ModelRow { name: model.name.clone(), valid, test: self.study.ndcg(&self.test, &model.ranks[1])? })
    }

    fn pair(&self, ours: &Ranked, theirs: &Ranked) -> Result<Pair> {
        let on_valid = self.study.difference(&self.valid, &ours.ranks[0], &theirs.ranks[0])?;
        Ok(Pair { on_valid, on_test: self.study.difference(&self.test, &ours.ranks[1], &theirs.ranks[1])? })
    }

    // Weights chosen on valid, on the models as fitted on train.
    fn blend(&self, name: String, members: &[Ranked]) -> Result<Ranked> {
        let fitted: Vec<DomainModel> = members.iter().map(|member| member.models.0.clone()).collect();
        let served: Vec<DomainModel> = members.iter().map(|member| member.models.1.clone()).collect();
        let late = blend_late(&fitted, self.study.plan(), &self.valid)?;
        let late_served = with_members(&late, &served);
        self.rank(name, (late, late_served))
    }

    // The first of equals.
    fn best_on_valid<'r>(&self, singles: &'r [Ranked]) -> Result<&'r Ranked> {
        let mut best: Option<(f64, &Ranked)> = None;
        for single in singles {
            let mean = self.study.ndcg(&self.valid, &single.ranks[0])?.mean;
            if best.is_none_or(|(top, _)| mean > top) {
                best = Some((mean, single));
            }
        }
        Ok(best.context("nothing to fuse")?.1)
    }

    // Each modality away from all items at test time, and a model that never had it.
    fn missing(
        &self,
        fits: &mut Fits<'_, '_>,
        (tokens, fused): (&[TokenKind], &Ranked),
    ) -> Result<Vec<Missing>> {
        let mut rows = Vec::new();
        for &token in tokens {
            let others: Vec<TokenKind> = tokens.iter().copied().filter(|other| *other != token).collect();
            let expert = fused.models.1.experts.first().and_then(|expert| expert.without_token(token));
            // Own vectors alone are not fused.
            let Some(expert) = expert.filter(|_| others.iter().any(|other| *other != TokenKind::Id)) else {
                continue;
            };
            let blend = Blend::only(&[expert.id], 0);
            let blind = DomainModel { experts: vec![expert], blend, ..fused.models.1.clone() };
            let cost = self.over(&fused.ranks[1], &blind)?;
            let gain = self.over(&fused.ranks[1], &fits.of(&others)?.1)?;
            let share = (gain.difference.mean > 0.0).then(|| cost.difference.mean / gain.difference.mean);
            let passes = share.filter(|_| gain.difference.lo > 0.0).map(|share| share <= COST_MAX);
            rows.push(Missing { token, gain, cost, share, passes });
        }
        Ok(rows)
    }

    fn over(&self, ours: &Rankings, theirs: &DomainModel) -> Result<Comparison> {
        self.study.difference(&self.test, ours, &rank_model(&self.test, theirs)?)
    }
}

// One modality each, beside the items' own vectors where the fused model has them.
fn singles_of(tokens: &[TokenKind]) -> Vec<Vec<TokenKind>> {
    let own = tokens.contains(&TokenKind::Id).then_some(TokenKind::Id);
    let modalities = tokens.iter().filter(|token| **token != TokenKind::Id);
    modalities.map(|&token| std::iter::once(token).chain(own).collect()).collect()
}

pub fn names(tokens: &[TokenKind]) -> String {
    tokens.iter().map(|token| token.name()).collect::<Vec<_>>().join(" + ")
}

fn check_weights(expert: &Expert, n_candidates: usize) -> WeightsCheck {
    let (furthest_from_one, n_items) = weights_sum(expert, n_candidates);
    WeightsCheck { n_items, furthest_from_one, passes: furthest_from_one <= SUM_TOLERANCE }
}

fn check_faithful(study: &Study<'_>, expert: &Expert, test: &Judge<'_>) -> Result<Vec<Faithful>> {
    let bootstrap = Bootstrap { seed: study.plan().seed, ..Bootstrap::default() };
    let mut checked = Vec::new();
    for tested in Tested::ALL {
        if let Some(measured) = faithfulness(expert, test, tested, bootstrap)? {
            checked.push(Faithful { passes: measured.share.mean >= FAITHFUL_MIN, measured });
        }
    }
    Ok(checked)
}
