//! What is known about the user – age group, gender, occupation – as tokens in front of the sequence.
//!
//! Each attribute value has a vector of its own. The tokens stand where interest tags stand, before everything that was done; the
//! last of them predicts the first event, so that a user without events gets scores too. In training they are dropped, one by
//! one and all together, so that the model also works where little or nothing is known.

use rand::Rng;
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Init};

use super::step::{Example, Lane, NO_TARGET};
use super::tokens::{NO_DOMAIN, Token};
use super::{SequenceConfig, SequenceModel};
use crate::query::Query;
use crate::tensors::{ModelError, Tensors};

const TABLE: &str = "profile";

impl SequenceModel {
    /// Lets the model read `n_values` attribute values, before training, where its settings ask for it. Afterwards the settings
    /// say whether it does: not where nothing is known about users.
    pub fn read_profiles(&mut self, n_values: usize, rng: &mut impl Rng) {
        self.config.profile_tokens &= n_values > 0;
        if self.config.profile_tokens {
            let shape = [n_values, self.config.width];
            self.net.profile = Some(self.params.add(TABLE, &shape, Init::Normal(self.config.init), rng));
            self.refresh();
        }
    }

    /// Attribute values that the model knows: ids below it are read; 0 when it does not read profiles.
    pub fn n_profile_values(&self) -> usize {
        self.net.profile.map_or(0, |table| self.params.get(table).len() / self.config.width)
    }

    /// The tokens of a query: what is known about the user, then the events in scope.
    pub(super) fn query_tokens(&self, query: &Query<'_>) -> Vec<Token> {
        let events = self.rows.tokens(query.history, query.timestamp, self.config.max_len, &self.words);
        if query.profile.is_empty() || self.net.profile.is_none() {
            return events;
        }
        self.profile_tokens(query.profile).chain(events).collect()
    }

    /// One token per known value.
    pub(super) fn profile_tokens(&self, profile: &[u32]) -> impl Iterator<Item = Token> {
        let (first, n_values) = (self.first_profile_row(), self.n_profile_values());
        profile.iter().filter(move |&&value| (value as usize) < n_values).map(move |&value| Token {
            item: first + value,
            position: self.config.max_len as u16,
            domain: NO_DOMAIN,
            kind: 0,
            gap: 0,
        })
    }

    /// An example's tokens and targets behind those of others in a lane, with some attribute values or all of them left out: each goes
    /// with the chance `profile_dropout`, and all go with the same chance. The last that stays predicts the first event.
    pub(super) fn push_example(&self, example: &Example, key: DropoutKey, lane: &mut Lane) {
        let Lane { tokens, next, values, .. } = lane;
        let first = self.first_profile_row();
        let n_profile = example.tokens.iter().take_while(|token| token.item >= first).count();
        let (profile, events) = example.tokens.split_at(n_profile);
        let goes = |part: u64| chance(key.of(part)) < f64::from(self.config.profile_dropout);
        if n_profile > 0 && !goes(0) {
            let from = tokens.len();
            let kept = profile.iter().enumerate().filter(|&(at, _)| !goes(at as u64 + 1));
            tokens.extend(kept.map(|(_, token)| *token));
            if tokens.len() > from {
                next.resize(next.len() + tokens.len() - from - 1, NO_TARGET);
                next.push(example.next[n_profile - 1]);
                values.resize(next.len() - 1, 0.0);
                values.push(example.values[n_profile - 1]);
            }
        }
        tokens.extend_from_slice(events);
        next.extend_from_slice(&example.next[n_profile..]);
        values.extend_from_slice(&example.values[n_profile..]);
    }

    /// Adds the gradient of the attribute values, which stand last in `d_vectors`.
    pub(super) fn add_profile_gradient(&self, d_vectors: &[f32], gradients: &mut Gradients) {
        if let Some(own) = self.net.profile.and_then(|table| gradients.get_mut(table)) {
            let from = d_vectors.len() - own.len();
            segue_nn::add_scaled(own, 1.0, &d_vectors[from..]);
        }
    }

    pub(super) fn load_profile(&mut self, tensors: &mut Tensors) -> Result<(), ModelError> {
        if !self.config.profile_tokens {
            return Ok(());
        }
        let (values, width) = (tensors.take_f32(TABLE)?, self.config.width);
        if values.is_empty() || !values.len().is_multiple_of(width) {
            let expected = format!("rows of {width} values");
            return Err(ModelError::Inconsistent { tensor: TABLE.into(), expected });
        }
        self.put_profile(values);
        Ok(())
    }

    // Values `[n_values, width]`.
    pub(super) fn put_profile(&mut self, values: Vec<f32>) {
        let shape = [values.len() / self.config.width, self.config.width];
        self.net.profile = Some(self.params.add_values(TABLE, &shape, values));
    }

    // Row of the first attribute value: they stand behind everything else.
    fn first_profile_row(&self) -> u32 {
        (self.vectors.len() / self.config.width - self.n_profile_values()) as u32
    }
}

/// Whether the share of dropped attribute values can be one.
pub(super) fn is_valid(config: &SequenceConfig) -> bool {
    (0.0..1.0).contains(&config.profile_dropout)
}

// Uniform in [0, 1).
fn chance(key: DropoutKey) -> f64 {
    (key.number() >> 11) as f64 / 2f64.powi(53)
}
