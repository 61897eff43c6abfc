//! Whether the weights that a fused expert shows are those by which it scores: what weighs most must be what it misses most.

use rayon::prelude::*;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_models::sequence::TokenEffect;
use segue_models::{Expert, TokenKind};
use segue_train::TrainError;
use segue_train::judge::Judge;
use serde::Serialize;

/// Whose tokens are taken away in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tested {
    /// The item that came next.
    Target,
    /// The item that the expert puts first, of those that are not masked: whose weights a user is shown.
    First,
}

impl Tested {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Target, Self::First];

    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Target => "the item that came next",
            Self::First => "the item put first",
        }
    }
}

/// How often the token of the largest weight is the one without which the score falls most.
#[derive(Clone, Debug, Serialize)]
pub struct Faithfulness {
    /// Whose tokens were taken away.
    pub tested: Tested,
    /// Share of the cases, users resampled.
    pub share: Interval,
    /// Cases whose item has fewer than two tokens; they do not count.
    pub n_left_out: usize,
    /// Cases in which no token is missed: without any of them the score rises or stays. They count as not faithful.
    pub n_none_missed: usize,
    /// The same by token.
    pub tokens: Vec<TokenCounts>,
}

/// One token in the cases of [`Faithfulness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    /// The token.
    pub token: TokenKind,
    /// Cases in which it weighs most.
    pub n_weighs_most: usize,
    /// Cases in which it is missed most.
    pub n_missed_most: usize,
    /// Cases in which it is both.
    pub n_both: usize,
}

/// Takes each token from the vector of one item per case, and from that item alone ([`TokenEffect`]). `None` where no case has an item
/// with two tokens.
///
/// # Errors
/// When the cases cannot be resampled.
pub fn faithfulness(
    expert: &Expert,
    judge: &Judge<'_>,
    tested: Tested,
    bootstrap: Bootstrap,
) -> Result<Option<Faithfulness>, TrainError> {
    let effects: Vec<Vec<TokenEffect>> =
        (0..judge.n_cases()).into_par_iter().map(|at| effects_of(expert, judge, tested, at)).collect();
    let mut tally = Tally::default();
    for (effects, &user) in effects.iter().zip(judge.users()) {
        tally.add(effects, user);
    }
    if tally.agreed.is_empty() {
        return Ok(None);
    }
    let Tally { agreed, users, mut tokens, n_left_out, n_none_missed } = tally;
    tokens.sort_by_key(|counts| counts.token);
    let share = bootstrap.means_by_user(&[&agreed], &users)?[0];
    Ok(Some(Faithfulness { tested, share, n_left_out, n_none_missed, tokens }))
}

/// Counts over cases.
#[derive(Default)]
struct Tally {
    /// 1 where the token that weighs most is missed most, else 0; and whose case it is.
    agreed: Vec<f64>,
    users: Vec<u32>,
    tokens: Vec<TokenCounts>,
    n_left_out: usize,
    n_none_missed: usize,
}

impl Tally {
    fn add(&mut self, effects: &[TokenEffect], user: u32) {
        let (Some(heaviest), true) = (largest(effects, |effect| effect.weight), effects.len() > 1) else {
            self.n_left_out += 1;
            return;
        };
        let missed = largest(effects, |effect| effect.effect).filter(|most| most.effect > 0.0);
        let is_both = missed.is_some_and(|missed| missed.token == heaviest.token);
        self.n_none_missed += usize::from(missed.is_none());
        self.agreed.push(f64::from(u8::from(is_both)));
        self.users.push(user);
        let counts = counts_of(&mut self.tokens, heaviest.token);
        counts.n_weighs_most += 1;
        counts.n_both += usize::from(is_both);
        if let Some(missed) = missed {
            counts_of(&mut self.tokens, missed.token).n_missed_most += 1;
        }
    }
}

fn effects_of(expert: &Expert, judge: &Judge<'_>, tested: Tested, at: usize) -> Vec<TokenEffect> {
    let query = judge.query(at);
    let item = match tested {
        Tested::Target => judge.targets()[at] as usize,
        Tested::First => {
            let mut scores = vec![0.0; judge.items().range(judge.domain()).len()];
            expert.score(&query, judge.items(), &mut scores);
            judge.masked()[at].iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
            let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
            let Some(best) = best else { return Vec::new() };
            best
        }
    };
    expert.token_effects(&query, item)
}

/// The first of equals.
fn largest(effects: &[TokenEffect], value: impl Fn(&TokenEffect) -> f32) -> Option<&TokenEffect> {
    effects.iter().reduce(|best, next| if value(next) > value(best) { next } else { best })
}

fn counts_of(tokens: &mut Vec<TokenCounts>, token: TokenKind) -> &mut TokenCounts {
    let at = tokens.iter().position(|counts| counts.token == token).unwrap_or_else(|| {
        tokens.push(TokenCounts { token, n_weighs_most: 0, n_missed_most: 0, n_both: 0 });
        tokens.len() - 1
    });
    &mut tokens[at]
}

/// The furthest that the weights of any candidate of the expert's domain are from summing to 1, and how many candidates have weights.
pub fn weights_sum(expert: &Expert, n_candidates: usize) -> (f32, usize) {
    let (mut furthest, mut n_items) = (0.0f32, 0);
    for candidate in 0..n_candidates {
        let weights = expert.token_weights(candidate);
        if !weights.is_empty() {
            furthest = furthest.max((weights.iter().map(|(_, weight)| weight).sum::<f32>() - 1.0).abs());
            n_items += 1;
        }
    }
    (furthest, n_items)
}
