//! What fusion by self-attention is worth beside a blend of single modalities, and whether the weights it shows are true.

mod tokens;
mod faithfulness;
mod fits;
mod page;
mod sentences;

use anyhow::{Context, Result};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_models::{Expert, TokenKind};
use segue_recommend::{Blend, DomainModel};
use segue_train::Judge;
use serde::Serialize;

pub use faithfulness::{Faithfulness, Tested, TokenCounts, faithfulness, weights_sum};
pub use page::page;
pub use sentences::{heading, sentences};
pub use tokens::{blend_late, fit_joint, tokens_of, with_members};

use crate::study::{Study, rank_model};
use fits::{Fits, JointFit};

/// Share of the cases in which the weights must say what the expert misses most.
const FAITHFUL_MIN: f64 = 0.9;
/// Share of what a modality added that its absence at test time may cost.
const COST_MAX: f64 = 0.5;
/// How far a sum of weights may be from 1.
const SUM_TOLERANCE: f32 = 1e-5;

/// The study of one target.
#[derive(Debug, Serialize)]
pub struct FusionTable {
    /// Name of the target.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the fits and the intervals.
    pub seed: u64,
    /// Whether test was measured on models fitted on train and valid.
    pub refit: bool,
    /// Cases on which everything was chosen.
    pub n_valid_cases: usize,
    /// Cases on which nothing was chosen.
    pub n_test_cases: usize,
    /// What the fused model fuses.
    pub tokens: Vec<TokenKind>,
    /// The fused model, those of one modality, the late blend of those, the blend of fused ones.
    pub models: Vec<ModelRow>,
    /// Weight of each model of one modality in the late blend, by its name.
    pub late_weights: Vec<(String, f32)>,
    /// Fused minus late blend.
    pub over_late: PairedDifference,
    /// As many fused models as the late blend has, of neighboring seeds and blended like those, minus the late blend.
    pub alike_over_late: PairedDifference,
    /// The name of the model of one modality that is best on valid, and fused minus that one.
    pub over_best: (String, PairedDifference),
    /// Whether weights sum to 1.
    pub weights: WeightsCheck,
    /// Whether the largest weight says what is missed most, for each item that was tested.
    pub faithful: Vec<FaithfulnessCheck>,
    /// Each modality that can be missing.
    pub missing: Vec<MissingToken>,
    /// What all this says, in sentences.
    pub verdicts: Vec<String>,
}

/// NDCG@10 of a model.
#[derive(Debug, Serialize)]
pub struct ModelRow {
    /// What it fuses or blends, in words.
    pub name: String,
    /// NDCG@10 on valid.
    pub valid: Interval,
    /// NDCG@10 on test.
    pub test: Interval,
}

/// A difference of NDCG@10, paired by case.
#[derive(Debug, Serialize)]
pub struct PairedDifference {
    /// On valid.
    pub on_valid: Comparison,
    /// On test.
    pub on_test: Comparison,
}

/// Whether weights sum to 1.
#[derive(Debug, Serialize)]
pub struct WeightsCheck {
    /// Items that have weights.
    pub n_items: usize,
    /// The furthest that one's sum is from 1.
    pub furthest_from_one: f32,
    /// Whether that is within rounding.
    pub passes: bool,
}

/// Whether the largest weight says what is missed most.
#[derive(Debug, Serialize)]
pub struct FaithfulnessCheck {
    /// How often it does.
    #[serde(flatten)]
    pub measured: Faithfulness,
    /// Whether the share reaches the bar.
    pub passes: bool,
}

/// One modality missing.
#[derive(Debug, Serialize)]
pub struct MissingToken {
    /// The modality.
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

/// A model with the ranks of its chosen form on valid and of its served form on test.
struct Ranked {
    name: String,
    models: JointFit,
    on_valid: Rankings,
    on_test: Rankings,
}

/// What models are ranked on.
struct Cases<'s, 'a> {
    study: &'s Study<'a>,
    valid: Judge<'a>,
    test: Judge<'a>,
}

/// All models of a study that are compared as wholes.
struct Models {
    tokens: Vec<TokenKind>,
    fused: Ranked,
    singles: Vec<Ranked>,
    late: Ranked,
    alike: Ranked,
}

/// Trains, blends and checks.
///
/// # Errors
/// When the data have less than two modalities, the target has no case, or a model cannot be trained.
pub fn measure(study: &Study<'_>) -> Result<FusionTable> {
    fits::check(study)?;
    let cases = Cases { study, valid: study.problem.valid()?, test: study.problem.test()? };
    let mut fits = Fits::new(study, &cases.valid);
    let models = Models::train(&cases, &mut fits)?;
    let missing = cases.missing(&mut fits, &models.tokens, &models.fused)?;
    let mut table = models.table(&cases, missing)?;
    table.verdicts = sentences(&table).into_iter().map(|sentence| sentence.text).collect();
    Ok(table)
}

impl Models {
    fn train(cases: &Cases<'_, '_>, fits: &mut Fits<'_, '_>) -> Result<Self> {
        let tokens = fits.fused()?;
        let fused = cases.rank(format!("fused: {}", names(&tokens)), fits.of(&tokens)?.clone())?;
        let mut singles = Vec::new();
        for tokens in singles_of(&tokens) {
            singles.push(cases.rank(names(&tokens), fits.of(&tokens)?.clone())?);
        }
        let mut alike = Vec::new();
        for seed_offset in 0..singles.len() as u64 {
            alike.push(cases.rank("fused".to_owned(), fits.with_seed(&tokens, seed_offset)?.clone())?);
        }
        let late = cases.blend("late blend of these".to_owned(), &singles)?;
        let alike = cases.blend(format!("blend of {} fused", singles.len()), &alike)?;
        Ok(Self { tokens, fused, singles, late, alike })
    }

    fn table(self, cases: &Cases<'_, '_>, missing: Vec<MissingToken>) -> Result<FusionTable> {
        let Self { tokens, fused, singles, late, alike } = self;
        let study = cases.study;
        let best = cases.best_on_valid(&singles)?;
        let served = &fused.models.served;
        let expert = served.experts.first().context("the fused model has one expert")?;
        let late_weights = late.models.chosen.blend.members.iter().map(|member| member.warm);
        let models = std::iter::once(&fused).chain(&singles).chain([&late, &alike]);
        Ok(FusionTable {
            target: study.target_name().to_owned(),
            split: study.problem.split.description.clone(),
            seed: study.plan().seed,
            refit: study.recipe.refit,
            n_valid_cases: cases.valid.n_cases(),
            n_test_cases: cases.test.n_cases(),
            models: models.map(|model| cases.row(model)).collect::<Result<_>>()?,
            late_weights: singles.iter().map(|single| single.name.clone()).zip(late_weights).collect(),
            over_late: cases.difference(&fused, &late)?,
            alike_over_late: cases.difference(&alike, &late)?,
            over_best: (best.name.clone(), cases.difference(&fused, best)?),
            weights: check_weights(expert, served.n_candidates()),
            faithful: check_faithful(study, expert, &cases.test)?,
            missing,
            tokens,
            verdicts: Vec::new(),
        })
    }
}

impl Cases<'_, '_> {
    fn rank(&self, name: String, models: JointFit) -> Result<Ranked> {
        let on_valid = rank_model(&self.valid, &models.chosen)?;
        let on_test = rank_model(&self.test, &models.served)?;
        Ok(Ranked { name, models, on_valid, on_test })
    }

    fn row(&self, model: &Ranked) -> Result<ModelRow> {
        let valid = self.study.ndcg(&self.valid, &model.on_valid)?;
        Ok(ModelRow { name: model.name.clone(), valid, test: self.study.ndcg(&self.test, &model.on_test)? })
    }

    fn difference(&self, ours: &Ranked, theirs: &Ranked) -> Result<PairedDifference> {
        let on_valid = self.study.difference(&self.valid, &ours.on_valid, &theirs.on_valid)?;
        let on_test = self.study.difference(&self.test, &ours.on_test, &theirs.on_test)?;
        Ok(PairedDifference { on_valid, on_test })
    }

    /// Weights are chosen on valid, on the models as fitted on train.
    fn blend(&self, name: String, members: &[Ranked]) -> Result<Ranked> {
        let all = |form: fn(&JointFit) -> &DomainModel| -> Vec<DomainModel> {
            members.iter().map(|member| form(&member.models).clone()).collect()
        };
        let chosen = blend_late(&all(|fit| &fit.chosen), self.study.plan(), &self.valid)?;
        let served = with_members(&chosen, &all(|fit| &fit.served));
        self.rank(name, JointFit { chosen, served })
    }

    /// The first of equals.
    fn best_on_valid<'r>(&self, singles: &'r [Ranked]) -> Result<&'r Ranked> {
        let mut best: Option<(f64, &Ranked)> = None;
        for single in singles {
            let mean = self.study.ndcg(&self.valid, &single.on_valid)?.mean;
            if best.is_none_or(|(top, _)| mean > top) {
                best = Some((mean, single));
            }
        }
        Ok(best.context("nothing to fuse")?.1)
    }

    /// Each modality away from all items at test time, and a model that never had it.
    fn missing(
        &self,
        fits: &mut Fits<'_, '_>,
        tokens: &[TokenKind],
        fused: &Ranked,
    ) -> Result<Vec<MissingToken>> {
        let mut rows = Vec::new();
        for &token in tokens {
            let others: Vec<TokenKind> = tokens.iter().copied().filter(|other| *other != token).collect();
            let served = &fused.models.served;
            let expert = served.experts.first().and_then(|expert| expert.without_token(token));
            // Own vectors alone are not fused.
            let Some(expert) = expert.filter(|_| others.iter().any(|other| *other != TokenKind::Id)) else {
                continue;
            };
            let blend = Blend::only(&[expert.id], 0);
            let blind = DomainModel { experts: vec![expert], blend, ..served.clone() };
            let cost = self.over(&fused.on_test, &blind)?;
            let gain = self.over(&fused.on_test, &fits.of(&others)?.served)?;
            let share = (gain.difference.mean > 0.0).then(|| cost.difference.mean / gain.difference.mean);
            let passes = share.filter(|_| gain.difference.lo > 0.0).map(|share| share <= COST_MAX);
            rows.push(MissingToken { token, gain, cost, share, passes });
        }
        Ok(rows)
    }

    fn over(&self, ours: &Rankings, theirs: &DomainModel) -> Result<Comparison> {
        self.study.difference(&self.test, ours, &rank_model(&self.test, theirs)?)
    }
}

/// One modality each, beside the items' own vectors where the fused model has them.
fn singles_of(tokens: &[TokenKind]) -> Vec<Vec<TokenKind>> {
    let own = tokens.contains(&TokenKind::Id).then_some(TokenKind::Id);
    let modalities = tokens.iter().filter(|token| **token != TokenKind::Id);
    modalities.map(|&token| std::iter::once(token).chain(own).collect()).collect()
}

/// Tokens as people read them: `text + graph`.
fn names(tokens: &[TokenKind]) -> String {
    tokens.iter().map(|token| token.name()).collect::<Vec<_>>().join(" + ")
}

fn check_weights(expert: &Expert, n_candidates: usize) -> WeightsCheck {
    let (furthest_from_one, n_items) = weights_sum(expert, n_candidates);
    WeightsCheck { n_items, furthest_from_one, passes: furthest_from_one <= SUM_TOLERANCE }
}

fn check_faithful(study: &Study<'_>, expert: &Expert, test: &Judge<'_>) -> Result<Vec<FaithfulnessCheck>> {
    let mut checked = Vec::new();
    for tested in Tested::ALL {
        if let Some(measured) = faithfulness(expert, test, tested, study.bootstrap())? {
            checked.push(FaithfulnessCheck { passes: measured.share.mean >= FAITHFUL_MIN, measured });
        }
    }
    Ok(checked)
}
