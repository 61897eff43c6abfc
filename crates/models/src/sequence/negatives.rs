//! A sample of the catalog for one training step: its own targets, and others drawn evenly.

use segue_nn::cross_entropy::{Denominator, Excluded, FullSoftmax, SoftmaxScratch};
use segue_nn::dropout::DropoutKey;

use super::step::Head;

/// Items of one step's softmax, ascending, with the probability that each was to be in it.
#[derive(Debug, Default)]
pub(super) struct NegativeSample {
    items: Vec<u32>,
    bias: Vec<f32>,    // [n], −ln of the probability
    vectors: Vec<f32>, // [n, width]
    d_vectors: Vec<f32>,
    targets: Vec<u32>, // as positions among `items`
    softmax: SoftmaxScratch,
}

/// All items among which one is sought.
#[derive(Clone, Copy)]
pub(super) struct Catalog<'a> {
    /// `[n_items, width]`.
    pub(super) vectors: &'a [f32],
    pub(super) width: usize,
    /// Which items do not compete with which.
    pub(super) excluded: Option<Excluded<'a>>,
}

impl NegativeSample {
    /// Draws `n` items evenly, one from each of `n` equal stretches of the catalog, and joins the targets; `frequency` is each item's
    /// share among targets. False, and nothing drawn, when that would be most of the catalog or `n` is 0.
    pub(super) fn draw(&mut self, targets: &[u32], frequency: &[f32], n: usize, key: DropoutKey) -> bool {
        let n_items = frequency.len();
        if n == 0 || n + targets.len().min(n_items) >= n_items {
            return false;
        }
        let place = |stretch: usize| {
            let (first, end) = (stretch * n_items / n, (stretch + 1) * n_items / n);
            (first + (key.of(stretch as u64).number() % (end - first) as u64) as usize) as u32
        };
        self.items.clear();
        self.items.extend((0..n).map(place));
        self.items.extend_from_slice(targets);
        self.items.sort_unstable();
        self.items.dedup();
        let evenly = (1.0 - n as f64 / n_items as f64).ln();
        let absent = |&item: &u32| {
            let by_target =
                (1.0 - f64::from(frequency[item as usize]).min(0.999_999)).ln() * targets.len() as f64;
            (evenly + by_target).exp()
        };
        self.bias.clear();
        self.bias.extend(self.items.iter().map(|item| -(1.0 - absent(item)).ln() as f32));
        let found = |target: &u32| self.items.partition_point(|item| item < target) as u32;
        self.targets.clear();
        self.targets.extend(targets.iter().map(found));
        true
    }

    /// As [`FullSoftmax`] over the sample; gradients are added to the whole catalog's.
    pub(super) fn cross_entropy(
        &mut self,
        catalog: Catalog<'_>,
        head: &mut Head,
        scale: f32,
        d_catalog: &mut [f32],
    ) -> f64 {
        let Catalog { vectors: catalog, width, excluded } = catalog;
        self.vectors.clear();
        for &item in &self.items {
            self.vectors.extend_from_slice(&catalog[item as usize * width..][..width]);
        }
        self.d_vectors.clear();
        self.d_vectors.resize(self.vectors.len(), 0.0);
        let lists = excluded.map(|excluded| self.excluded_here(excluded));
        let excluded = lists.as_ref().map(|(offsets, items)| Excluded { offsets, items });
        let denominator = Denominator { bias: Some(&self.bias), excluded };
        let (hidden, targets) = (head.hidden.as_slice(), self.targets.as_slice());
        let softmax = FullSoftmax { hidden, items: &self.vectors, targets, scale, denominator };
        let loss = softmax.run(&mut head.d_hidden, Some(&mut self.d_vectors), &mut self.softmax);
        for (&item, d) in self.items.iter().zip(self.d_vectors.chunks_exact(width)) {
            let sums = &mut d_catalog[item as usize * width..][..width];
            sums.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
        }
        loss
    }

    // The same lists with positions in the sample.
    fn excluded_here(&self, excluded: Excluded<'_>) -> (Vec<usize>, Vec<u32>) {
        let (mut offsets, mut items) = (vec![0], Vec::new());
        for &item in &self.items {
            let found = excluded.of(item).iter().filter_map(|other| self.items.binary_search(other).ok());
            items.extend(found.map(|at| at as u32));
            offsets.push(items.len());
        }
        (offsets, items)
    }
}
