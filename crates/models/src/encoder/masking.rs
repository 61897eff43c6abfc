//! Which tokens of a text are hidden for masked-language modeling, and what stands in their place.

use segue_nn::dropout::DropoutKey;

use crate::encoder::error::EncoderError;
use crate::encoder::tokens::Tokens;

/// Share of the chosen tokens that become the mask token (Devlin et al., 2019, section 3.1).
const MASKED: f64 = 0.8;
/// Share of the chosen tokens that become another token; the rest stays as it is.
const REPLACED: f64 = 0.1;

/// Chooses tokens to be predicted, never special ones, and hides most of them.
#[derive(Clone, Debug)]
pub struct Masker {
    share: f64,
    mask: u32,
    is_special: Vec<bool>, // by token
    ordinary: Vec<u32>,    // ascending
}

/// A text with hidden tokens, and what stood there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The text as the encoder sees it.
    pub tokens: Vec<u32>,
    /// Places of the chosen tokens, ascending.
    pub places: Vec<usize>,
    /// The tokens that stood there.
    pub targets: Vec<u32>,
}

impl Masker {
    /// A masker that chooses each token with probability `share`.
    ///
    /// # Errors
    /// When the tokenizer has no mask token, or nothing but special tokens.
    pub fn new(tokens: &Tokens, share: f64) -> Result<Self, EncoderError> {
        let mut is_special = vec![false; tokens.n_tokens()];
        for token in tokens.special() {
            if let Some(is_special) = is_special.get_mut(token as usize) {
                *is_special = true;
            }
        }
        let mask = tokens.mask().filter(|&mask| (mask as usize) < is_special.len());
        let mask = mask.ok_or_else(|| tokens.unsupported("a tokenizer without `[MASK]` or `<mask>`"))?;
        let known = 0..is_special.len() as u32;
        let ordinary: Vec<u32> = known.filter(|&token| !is_special[token as usize]).collect();
        if ordinary.is_empty() {
            return Err(tokens.unsupported("a vocabulary of nothing but special tokens"));
        }
        Ok(Self { share, mask, is_special, ordinary })
    }

    /// A text with some tokens hidden; which ones is a function of `key`. May choose none of a short text.
    pub fn mask(&self, text: &[u32], key: DropoutKey) -> Masked {
        let mut masked = Masked { tokens: text.to_vec(), ..Masked::default() };
        for (place, token) in masked.tokens.iter_mut().enumerate() {
            let key = key.of(place as u64);
            let is_special = self.is_special.get(*token as usize).is_none_or(|is_special| *is_special);
            if is_special || uniform(key.of(0)) >= self.share {
                continue;
            }
            masked.places.push(place);
            masked.targets.push(*token);
            let what = uniform(key.of(1));
            if what < MASKED {
                *token = self.mask;
            } else if what < MASKED + REPLACED {
                *token = self.ordinary[(key.of(2).number() % self.ordinary.len() as u64) as usize];
            }
        }
        masked
    }
}

// In [0, 1).
fn uniform(key: DropoutKey) -> f64 {
    (key.number() >> 11) as f64 / (1u64 << 53) as f64
}
