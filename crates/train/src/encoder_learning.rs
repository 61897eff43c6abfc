//! What trainings of an encoder have in common, whatever they learn from.

use segue_models::encoder::{EncoderError, RankBudget, TextEncoder, Tuning};
use segue_nn::Gradients;

/// The learning rate that was asked for, or the tuning's usual one: few arrays take, and need, larger steps.
pub(crate) fn rate_of(tuning: &Tuning, asked: f32) -> f32 {
    match tuning {
        _ if asked > 0.0 => asked,
        Tuning::Frozen | Tuning::Full => 5e-5,
        Tuning::Lora(_) | Tuning::AdaLora(_) | Tuning::Adapter { .. } => 1e-3,
        Tuning::Prefix { .. } => 3e-3,
    }
}

/// Tokens of each text with the encoder's prefix, cut to `max_tokens`; none of an empty text.
pub(crate) fn tokens_of(
    encoder: &TextEncoder,
    texts: &[String],
    max_tokens: usize,
) -> Result<Vec<Vec<u32>>, EncoderError> {
    let full: Vec<String> = texts.iter().map(|text| format!("{}{text}", encoder.usage.prefix)).collect();
    let mut tokens = encoder.tokens().of(&full)?;
    for (tokens, text) in tokens.iter_mut().zip(texts) {
        let end = *tokens.last().unwrap_or(&0);
        if tokens.len() > max_tokens.max(2) {
            tokens.truncate(max_tokens.max(2) - 1);
            tokens.push(end);
        }
        if text.is_empty() {
            tokens.clear();
        }
    }
    Ok(tokens)
}

/// An encoder in training, with the budget of its ranks where the tuning has one.
pub(crate) struct Trainee {
    pub(crate) encoder: TextEncoder,
    budget: Option<RankBudget>,
}

impl Trainee {
    /// An encoder whose tuning is chosen, before a training of at most `n_steps`.
    pub(crate) fn new(encoder: TextEncoder, n_steps: usize) -> Self {
        let budget = match encoder.tuning() {
            Tuning::AdaLora(config) => {
                Some(RankBudget::new(&encoder.network, &encoder.params, config, n_steps))
            }
            _ => None,
        };
        Self { encoder, budget }
    }

    /// After the optimizer's step: ranks are allocated.
    pub(crate) fn end_step(&mut self, gradients: &Gradients, step: u64) {
        if let Some(budget) = &mut self.budget {
            budget.update(&mut self.encoder.params, gradients, step as usize);
        }
    }

    /// What the budget remembers, beside the encoder it belongs to.
    pub(crate) fn parts(&mut self) -> (&mut TextEncoder, Vec<(String, &mut [f32])>) {
        let memory = self.budget.iter_mut().flat_map(RankBudget::memory).collect();
        (&mut self.encoder, memory)
    }
}
