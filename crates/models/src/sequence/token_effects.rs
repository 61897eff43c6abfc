//! What each token of a candidate does for its score: its exact Shapley value, and the score without it.

use serde::{Deserialize, Serialize};

use super::SequenceModel;
use crate::fusion::TokenKind;
use crate::query::Query;

/// One token of a candidate for one user.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenEffect {
    /// What the token comes from.
    pub token: TokenKind,
    /// Mean attention that the token receives in the candidate's vector, whoever asks; a candidate's attention sums to 1.
    pub attention: f32,
    /// What the token speaks for the candidate to this user, as a share of what all tokens that speak for it do, by their Shapley values;
    /// a candidate's weights sum to 1. Where none speaks for it, the attention.
    pub weight: f32,
    /// Raw score with the token minus raw score without it, found by fusing again: the token is taken from the candidate alone, the
    /// items of the history keep theirs. Below 0 where the token speaks against the candidate.
    pub effect: f32,
}

impl SequenceModel {
    /// The tokens of a candidate (counted within the domain) that are there, in the order of kinds; nothing where vectors are not
    /// fused or nothing is known of the candidate. All effects are 0 for a user of whom nothing is known.
    pub fn token_effects(&self, query: &Query<'_>, candidate: usize) -> Vec<TokenEffect> {
        let Some(fused) = self.input.fused() else { return Vec::new() };
        let row = self.rows.candidates().start + candidate;
        let user = self.user_vector(query).unwrap_or_else(|| vec![0.0; self.config.width]);
        let there = fused.kinds().iter().zip(fused.weights(row)).filter(|(_, weight)| **weight > 0.0);
        let (tokens, attention): (Vec<TokenKind>, Vec<f32>) = there.unzip();
        // By the set of tokens left, a bit each. Tags and all else that is added to the fused vector would stand in every score.
        let scores: Vec<f32> = (0..1usize << tokens.len())
            .map(|left| {
                let gone = tokens.iter().enumerate().filter(|(at, _)| left >> at & 1 == 0);
                let gone: Vec<TokenKind> = gone.map(|(_, token)| *token).collect();
                segue_nn::dot(&user, &fused.row_without(&self.params, row, &gone))
            })
            .collect();
        let weights = shares(&shapley(&scores, tokens.len())).unwrap_or_else(|| attention.clone());
        let all = scores.len() - 1;
        let effect = |at: usize| scores[all] - scores[all & !(1 << at)];
        let of = |at: usize| TokenEffect {
            token: tokens[at],
            attention: attention[at],
            weight: weights[at],
            effect: effect(at),
        };
        (0..tokens.len()).map(of).collect()
    }
}

/// Shapley values of `n` players, given what every coalition is worth (`[2^n]`, a bit each): the mean, over all orders of coming, of what a
/// player adds to those who are there (Shapley, 1953). They sum to what all are worth together beyond nobody.
fn shapley(worth: &[f32], n: usize) -> Vec<f32> {
    // Share of the orders in which exactly these come before the player: |S|! (n − |S| − 1)! / n!.
    let share = |coalition: usize| {
        let before = coalition.count_ones() as usize;
        1.0 / (n as f32 * (1..=before).map(|k| (n - k) as f32 / k as f32).product::<f32>())
    };
    let value = |player: usize| {
        let without = (0..worth.len()).filter(|coalition| coalition >> player & 1 == 0);
        without.map(|coalition| share(coalition) * (worth[coalition | 1 << player] - worth[coalition])).sum()
    };
    (0..n).map(value).collect()
}

// Shares of the values above 0; `None` where there is none.
fn shares(values: &[f32]) -> Option<Vec<f32>> {
    let sum: f32 = values.iter().map(|value| value.max(0.0)).sum();
    (sum > 0.0 && sum.is_finite()).then(|| values.iter().map(|value| value.max(0.0) / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapley_values_are_those_of_the_glove_game() {
        // Player 0 has a left glove, 1 and 2 a right one each; a pair is worth 1 (values 4/6, 1/6, 1/6).
        let worth = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        let values = shapley(&worth, 3);
        for (value, expected) in values.iter().zip([4.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
    }

    #[test]
    fn shapley_values_sum_to_what_all_are_worth() {
        let worth: Vec<f32> = (0..32).map(|at| ((at * 37 + 11) % 23) as f32 - 9.0).collect();
        let sum: f32 = shapley(&worth, 5).iter().sum();
        assert!((sum - (worth[31] - worth[0])).abs() < 1e-4, "{sum}");
    }

    #[test]
    fn what_speaks_against_has_no_share() {
        assert_eq!(shares(&[3.0, -5.0, 1.0]), Some(vec![0.75, 0.0, 0.25]));
        assert_eq!(shares(&[-1.0, 0.0]), None);
    }
}
