//! `L_H`: the modalities of an item should say the same of it.

use segue_nn::dropout::DropoutKey;

use super::items::FusedItems;
use crate::losses::LossForm;
use crate::losses::contrast::contrast;
use crate::losses::squared_error::squared_error;

impl FusedItems {
    /// The weighted loss of some items that have two modalities or more, drawn by `key`; the gradient of their tokens is added to
    /// `d_tokens` (`[n_rows, n_tokens, width]`).
    ///
    /// As a contrast, the token of the first modality finds the item's tokens of the others among those of other items (as in CLIP,
    /// Radford et al., 2021). As a squared error, each token should equal the mean of the item's tokens, which is the label.
    pub(super) fn align(&self, key: DropoutKey, d_tokens: &mut [f32]) -> f64 {
        let (form, weight) = (self.loss.form, self.loss.fusion);
        let (width, n_tokens) = (self.width(), self.kinds().len());
        let n_content = n_tokens - usize::from(self.has_ids());
        if weight == 0.0 || n_content < 2 {
            return 0.0;
        }
        let present = |row: usize, at: usize| self.cache().present[row * n_tokens + at];
        let several: Vec<usize> = (0..self.n_rows())
            .filter(|&row| (0..n_content).filter(|&at| present(row, at)).count() > 1)
            .collect();
        let drawn: Vec<usize> = if several.len() <= self.config.n_aligned {
            several
        } else {
            // One of each of so many equal stretches: all are distinct.
            let n = self.config.n_aligned;
            let place = |stretch: usize| {
                let (first, end) = (stretch * several.len() / n, (stretch + 1) * several.len() / n);
                several[first + (key.of(stretch as u64).number() % (end - first) as u64) as usize]
            };
            (0..n).map(place).collect()
        };
        let token = |row: usize, at: usize| (row * n_tokens + at) * width;
        let tokens = &self.cache().tokens;
        let mut loss = 0.0;
        match form {
            LossForm::Rank => {
                for other in 1..n_content {
                    let first = |row: usize| (0..other).find(|&at| present(row, at));
                    let pairs: Vec<(usize, usize)> = drawn
                        .iter()
                        .filter(|&&row| present(row, other))
                        .filter_map(|&row| Some((token(row, first(row)?), token(row, other))))
                        .collect();
                    let places: Vec<usize> =
                        pairs.iter().map(|pair| pair.0).chain(pairs.iter().map(|pair| pair.1)).collect();
                    let views: Vec<f32> =
                        places.iter().flat_map(|&at| &tokens[at..at + width]).copied().collect();
                    let mut d_views = vec![0.0; views.len()]; // [2 n, width]
                    loss += contrast(&views, width, weight, &mut d_views);
                    for (&at, d) in places.iter().zip(d_views.chunks_exact(width)) {
                        segue_nn::add_scaled(&mut d_tokens[at..at + width], 1.0, d);
                    }
                }
            }
            LossForm::Mse => {
                for &row in &drawn {
                    let there: Vec<usize> =
                        (0..n_content).filter(|&at| present(row, at)).map(|at| token(row, at)).collect();
                    let mut mean = vec![0.0; width];
                    for &at in &there {
                        segue_nn::add_scaled(&mut mean, 1.0 / there.len() as f32, &tokens[at..at + width]);
                    }
                    for &at in &there {
                        let d = &mut d_tokens[at..at + width];
                        loss += squared_error(&tokens[at..at + width], &mean, drawn.len(), weight, d);
                    }
                }
            }
        }
        loss
    }
}
