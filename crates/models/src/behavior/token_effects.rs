//! How much each token of a candidate counts in its vector, and what the candidate's score is without it.

use serde::{Deserialize, Serialize};

use super::Behavior;
use crate::fusion::TokenKind;
use crate::query::Query;

/// One token of a candidate for one user.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenEffect {
    /// What the token is made from.
    pub token: TokenKind,
    /// How much it counts in the candidate's vector; a candidate's weights sum to 1.
    pub weight: f32,
    /// Raw score with the token minus raw score without it, found by fusing again: the token is taken from the candidate alone, the
    /// items of the history keep theirs. Below 0 where the token speaks against the candidate.
    pub effect: f32,
}

impl Behavior {
    /// The tokens of a candidate (counted within the domain) that are there, in the order of kinds; nothing where vectors are not
    /// fused or nothing is known of the candidate. All effects are 0 for a user of whom nothing is known.
    pub fn token_effects(&self, query: &Query<'_>, candidate: usize) -> Vec<TokenEffect> {
        let Some(fused) = &self.fused else { return Vec::new() };
        let row = self.rows.candidates().start + candidate;
        let user = self.user_vector(query).unwrap_or_else(|| vec![0.0; self.config.width]);
        let score = |gone: &[TokenKind]| segue_nn::dot(&user, &fused.row_without(&self.params, row, gone));
        let whole = score(&[]);
        let there = fused.kinds().iter().zip(fused.weights(row)).filter(|(_, weight)| **weight > 0.0);
        let effect = |(&token, &weight): (&TokenKind, &f32)| {
            // Its tags and all else that is added to the fused vector stand in both scores.
            TokenEffect { token, weight, effect: whole - score(&[token]) }
        };
        there.map(effect).collect()
    }
}
