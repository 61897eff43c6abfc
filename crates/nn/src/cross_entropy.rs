//! Softmax cross-entropy over a whole catalog, in blocks: logits exist once, for one block of rows at a time.
//!
//! For a block of rows, tiles of the catalog are worked on in parallel. Each tile takes its logits relative to its own
//! maximum, `p = exp(logits − top)`, and at once its part of the gradient of the rows, `p · items`; when all tiles are
//! done, each is brought to the common normalization by one factor per row. So the three products are all there is:
//! no pass over the logits for the maximum of the whole row, and none to normalize.
//! (The idea of the online softmax, Milakov and Gimelshein, 2018.)
//!
//! The catalog may also be a sample that holds every target ([`Denominator::bias`]): each other item then stands for `1 / π` items,
//! π being the probability that it is in the sample, so that the sum under the logarithm is right on average (Bengio and
//! Senécal, 2008). And items that are the target in all but name can be left out of it ([`Excluded`]).

use rayon::prelude::*;

use crate::attention::max_of;
use crate::matmul::{Matrix, dot, matmul};
use crate::simd::{Kernel, add_scaled, exp, sum_of, vectorized};

const ROWS: usize = 256;
const TILE: usize = 256;

/// Buffers of [`softmax_cross_entropy`], reused from step to step.
#[derive(Debug, Default)]
pub struct SoftmaxScratch {
    tiles: Vec<Tile>,
    rows: RowSums,
}

// Of all tiles together.
#[derive(Debug, Default)]
struct RowSums {
    top: Vec<f32>,  // [rows]
    sum: Vec<f32>,  // [rows], of exp(logits − top)
    pull: Vec<f32>, // [rows], by how much the target's vector is subtracted from the gradient
}

#[derive(Debug, Default)]
struct Tile {
    p: Vec<f32>,        // [rows, tile], exp(logits − top)
    d_hidden: Vec<f32>, // [rows, d], p · items
    top: Vec<f32>,      // [rows]
    sum: Vec<f32>,      // [rows], of p
    scaled: Vec<f32>,   // [rows, d]
}

/// Which items stand in the denominator, and for how many each; the default is the whole catalog, each for one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Denominator<'a> {
    /// `−ln π` of each item of a sample, `[V]`; of each row's own target it does not count, since that one is always there.
    pub bias: Option<&'a [f32]>,
    /// Items that do not compete with a target.
    pub excluded: Option<Excluded<'a>>,
}

/// For each item, ascending, the items that are left out of the denominator when it is the target, such as other sizes of the same
/// thing; never the item itself.
#[derive(Clone, Copy, Debug)]
pub struct Excluded<'a> {
    /// `[V + 1]`, where each item's list begins and ends.
    pub offsets: &'a [usize],
    /// The lists, one behind the other.
    pub items: &'a [u32],
}

impl<'a> Excluded<'a> {
    /// What is left out when `target` is the target.
    ///
    /// # Panics
    /// When it is not below V.
    pub fn of(&self, target: u32) -> &'a [u32] {
        &self.items[self.offsets[target as usize]..self.offsets[target as usize + 1]]
    }
}

/// In place of the logit of an item that is left out: its exponential is 0 beside any other.
const LEFT_OUT: f32 = -1e30;

/// Sum over the rows of `−log softmax(hidden · itemsᵀ)[target]`.
///
/// `hidden: [N, d]`, `items: [V, d]`, `targets: [N]` below V. The gradients are those of `scale · sum`: `d_hidden` is
/// overwritten, `d_items` (`[V, d]`) is added to. Equal at any thread count.
///
/// # Panics
/// When the shapes do not fit or a target is not below V.
pub fn softmax_cross_entropy(
    (hidden, items): (&[f32], &[f32]),
    targets: &[u32],
    scale: f32,
    (d_hidden, mut d_items): (&mut [f32], Option<&mut [f32]>),
    (denominator, scratch): (Denominator<'_>, &mut SoftmaxScratch),
) -> f64 {
    if targets.is_empty() {
        return 0.0;
    }
    let width = hidden.len() / targets.len();
    assert!(hidden.len() == targets.len() * width && d_hidden.len() == hidden.len(), "rows of the softmax");
    assert!(items.len() % width == 0, "items of the softmax");
    assert!(d_items.as_ref().is_none_or(|d_items| d_items.len() == items.len()), "gradient of the items");
    let n_items = items.len() / width;
    assert!(denominator.bias.is_none_or(|bias| bias.len() == n_items), "bias of the sample");
    let lists = denominator.excluded.map(|excluded| excluded.offsets.len());
    assert!(lists.is_none_or(|n| n == n_items + 1), "lists of excluded items");
    assert!(targets.iter().all(|&target| (target as usize) < n_items), "a target is not below {n_items}");
    scratch.tiles.resize_with(n_items.div_ceil(TILE), Tile::default);
    let mut loss = 0.0;
    for (at, d_hidden) in d_hidden.chunks_mut(ROWS * width).enumerate() {
        let rows = at * ROWS..at * ROWS + d_hidden.len() / width;
        let block = Block {
            hidden: &hidden[rows.start * width..rows.end * width],
            items,
            targets: &targets[rows],
            width,
            denominator,
        };
        loss += block.step(scale, d_hidden, d_items.as_deref_mut(), scratch);
    }
    loss
}

struct Block<'a> {
    hidden: &'a [f32],  // [rows, d]
    items: &'a [f32],   // [V, d]
    targets: &'a [u32], // [rows]
    width: usize,
    denominator: Denominator<'a>,
}

impl Block<'_> {
    fn step(
        &self,
        scale: f32,
        d_hidden: &mut [f32],
        d_items: Option<&mut [f32]>,
        SoftmaxScratch { tiles, rows }: &mut SoftmaxScratch,
    ) -> f64 {
        let tile_items = self.items.par_chunks(TILE * self.width);
        tiles
            .par_iter_mut()
            .zip(tile_items)
            .enumerate()
            .for_each(|(at, (tile, items))| self.enter(at, tile, items));
        let loss = self.normalize(scale, tiles, rows);
        self.gather_rows(&rows.pull, d_hidden, tiles);
        if let Some(d_items) = d_items {
            let parts = d_items.par_chunks_mut(TILE * self.width);
            tiles.par_iter_mut().zip(parts).for_each(|(tile, d_items)| self.leave(tile, d_items));
            for ((row, &target), pull) in
                self.hidden.chunks_exact(self.width).zip(self.targets).zip(&rows.pull)
            {
                add_scaled(&mut d_items[target as usize * self.width..][..self.width], -pull, row);
            }
        }
        loss
    }

    fn n_rows(&self) -> usize {
        self.targets.len()
    }

    fn rows(&self) -> Matrix<'_> {
        Matrix::new(self.hidden, self.n_rows(), self.width, self.width)
    }

    // Logits of the tile, relative to its maximum of each row, exponentiated; its part of the gradient of the rows.
    fn enter(&self, at: usize, tile: &mut Tile, items: &[f32]) {
        let (n, n_items) = (self.n_rows(), items.len() / self.width);
        tile.p.resize(n * n_items, 0.0);
        tile.d_hidden.resize(n * self.width, 0.0);
        let items = Matrix::new(items, n_items, self.width, self.width);
        matmul(0.0, &mut tile.p, n_items, 1.0, self.rows(), items.t());
        tile.top.resize(n, 0.0);
        tile.sum.resize(n, 0.0);
        let (p, top, sum) = (&mut tile.p, &mut tile.top, &mut tile.sum);
        let bias = self.denominator.bias.map(|bias| &bias[at * TILE..at * TILE + n_items]);
        if let Some(excluded) = self.denominator.excluded {
            for (row, &target) in p.chunks_exact_mut(n_items).zip(self.targets) {
                let list = excluded.of(target);
                let first = list.partition_point(|&item| (item as usize) < at * TILE);
                let inside = list[first..].iter().map(|&item| item as usize - at * TILE);
                inside.take_while(|&own| own < n_items).for_each(|own| row[own] = LEFT_OUT);
            }
        }
        if let Some(bias) = bias {
            // The target is there with certainty: one of it, not 1 / π, belongs in the sum.
            for (row, &target) in p.chunks_exact_mut(n_items).zip(self.targets) {
                if let Some(own) = (target as usize).checked_sub(at * TILE).filter(|&own| own < n_items) {
                    row[own] -= bias[own];
                }
            }
        }
        vectorized(Exponentiate(p, bias.unwrap_or_default(), n_items, top, sum));
        matmul(0.0, &mut tile.d_hidden, self.width, 1.0, Matrix::new(&tile.p, n, n_items, n_items), items);
    }

    // Turns each tile's `top` into its factor of each row, `scale · exp(top − top of all) / sum of all`; the loss.
    fn normalize(&self, scale: f32, tiles: &mut [Tile], rows: &mut RowSums) -> f64 {
        rows.top.clear();
        rows.top.resize(self.n_rows(), f32::NEG_INFINITY);
        rows.sum.clear();
        rows.sum.resize(self.n_rows(), 0.0);
        rows.pull.clear();
        for tile in tiles.iter() {
            rows.top.iter_mut().zip(&tile.top).for_each(|(top, own)| *top = top.max(*own));
        }
        for tile in tiles.iter_mut() {
            vectorized(Rescale(&rows.top, &mut tile.top, &tile.sum, &mut rows.sum));
        }
        let mut loss = 0.0;
        for (row, &target) in self.targets.iter().enumerate() {
            let item = &self.items[target as usize * self.width..];
            let logit = dot(&self.hidden[row * self.width..][..self.width], item);
            let sum = rows.sum[row];
            rows.pull.push(scale);
            rows.sum[row] = scale / sum;
            loss += f64::from(rows.top[row]) + f64::from(sum).ln() - f64::from(logit);
        }
        for tile in tiles.iter_mut() {
            tile.top.iter_mut().zip(&rows.sum).for_each(|(factor, scale)| *factor *= scale);
        }
        loss
    }

    // Gradient of the rows: the tiles' parts, each with its factor, in the order of the tiles; minus the target's vector.
    fn gather_rows(&self, pulls: &[f32], d_hidden: &mut [f32], tiles: &[Tile]) {
        d_hidden.par_chunks_mut(self.width).enumerate().for_each(|(row, d)| {
            let item = &self.items[self.targets[row] as usize * self.width..];
            d.fill(0.0);
            add_scaled(d, -pulls[row], item);
            for tile in tiles {
                add_scaled(d, tile.top[row], &tile.d_hidden[row * self.width..]);
            }
        });
    }

    // The gradient of the tile's items: pᵀ · (factor ∘ hidden).
    fn leave(&self, tile: &mut Tile, d_items: &mut [f32]) {
        let (n, n_items) = (self.n_rows(), d_items.len() / self.width);
        tile.scaled.resize(n * self.width, 0.0);
        let rows = tile.scaled.chunks_exact_mut(self.width).zip(self.hidden.chunks_exact(self.width));
        for ((scaled, row), &factor) in rows.zip(&tile.top) {
            scaled.iter_mut().zip(row).for_each(|(scaled, h)| *scaled = factor * h);
        }
        let p = Matrix::new(&tile.p, n, n_items, n_items);
        matmul(1.0, d_items, self.width, 1.0, p.t(), Matrix::new(&tile.scaled, n, self.width, self.width));
    }
}

struct Exponentiate<'a>(&'a mut [f32], &'a [f32], usize, &'a mut [f32], &'a mut [f32]);

impl Kernel for Exponentiate<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(logits, bias, n_items, tops, sums) = self;
        for ((row, top), sum) in logits.chunks_exact_mut(n_items).zip(tops).zip(sums) {
            for (x, bias) in row.iter_mut().zip(bias) {
                *x += bias;
            }
            *top = max_of(row);
            for x in row.iter_mut() {
                *x = exp(*x - *top);
            }
            *sum = sum_of(row.len(), |at| row[at]);
        }
    }
}

/// Brings a tile's sums to the common maximum, adds them up, and leaves `exp(own top − top)`.
struct Rescale<'a>(&'a [f32], &'a mut [f32], &'a [f32], &'a mut [f32]);

impl Kernel for Rescale<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(tops, own_tops, own_sums, sums) = self;
        for (((top, own), own_sum), sum) in tops.iter().zip(own_tops).zip(own_sums).zip(sums) {
            *own = exp(*own - *top);
            *sum = own_sum.mul_add(*own, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    // The definition in f64, with the logits of one row at a time.
    fn plainly(hidden: &[f32], items: &[f32], targets: &[u32], width: usize) -> (f64, Vec<f64>, Vec<f64>) {
        let (mut loss, mut d_hidden, mut d_items) = (0.0, vec![0.0; hidden.len()], vec![0.0; items.len()]);
        for (row, &target) in targets.iter().enumerate() {
            let h = &hidden[row * width..][..width];
            let dot = |item: &[f32]| item.iter().zip(h).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let logits: Vec<f64> = items.chunks_exact(width).map(dot).collect();
            let sum: f64 = logits.iter().map(|x| x.exp()).sum();
            loss += sum.ln() - logits[target as usize];
            for (item, logit) in logits.iter().enumerate() {
                let p = logit.exp() / sum - f64::from(u8::from(item == target as usize));
                for k in 0..width {
                    d_hidden[row * width + k] += p * f64::from(items[item * width + k]);
                    d_items[item * width + k] += p * f64::from(h[k]);
                }
            }
        }
        (loss, d_hidden, d_items)
    }

    #[test]
    fn blocks_equal_the_definition_at_any_thread_count() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (n, n_items, width) = (ROWS + 37, 2 * TILE + 19, 24);
        let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
        let (hidden, items) = (values(n * width), values(n_items * width));
        let targets: Vec<u32> = (0..n).map(|row| (row * 31 % n_items) as u32).collect();
        let run = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let (mut d_hidden, mut d_items) = (vec![9.0; hidden.len()], vec![0.0; items.len()]);
            let gradients = (d_hidden.as_mut_slice(), Some(d_items.as_mut_slice()));
            let mut scratch = SoftmaxScratch::default();
            let loss = pool.install(|| {
                softmax_cross_entropy(
                    (&hidden, &items),
                    &targets,
                    0.5,
                    gradients,
                    (Denominator::default(), &mut scratch),
                )
            });
            (loss, d_hidden, d_items)
        };
        let (loss, d_hidden, d_items) = run(1);
        assert_eq!((loss, d_hidden.clone(), d_items.clone()), run(3));
        let expected = plainly(&hidden, &items, &targets, width);
        assert!((loss / expected.0 - 1.0).abs() < 1e-6, "{loss} instead of {}", expected.0);
        let close = |received: &[f32], expected: &[f64]| {
            received.iter().zip(expected).all(|(a, b)| (f64::from(*a) - 0.5 * b).abs() < 1e-5)
        };
        assert!(close(&d_hidden, &expected.1) && close(&d_items, &expected.2));
    }

    #[test]
    fn a_sample_counts_each_item_by_its_chance_and_the_target_once() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let (n, n_items, width) = (30, 300, 8);
        let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
        let (hidden, items) = (values(n * width), values(n_items * width));
        let bias: Vec<f32> = values(n_items).iter().map(|x| x + 1.0).collect();
        let targets: Vec<u32> = (0..n).map(|row| (row * 7 % n_items) as u32).collect();
        let loss = |hidden: &[f32], items: &[f32]| -> f64 {
            let row_loss = |(row, &target): (usize, &u32)| {
                let h = &hidden[row * width..][..width];
                let logit = |item: usize| {
                    h.iter().zip(&items[item * width..]).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                };
                let count =
                    |item: usize| if item == target as usize { 1.0 } else { f64::from(bias[item]).exp() };
                (0..n_items).map(|item| logit(item).exp() * count(item)).sum::<f64>().ln()
                    - logit(target as usize)
            };
            targets.iter().enumerate().map(row_loss).sum()
        };
        let (mut d_hidden, mut d_items) = (vec![0.0; hidden.len()], vec![0.0; items.len()]);
        let gradients = (d_hidden.as_mut_slice(), Some(d_items.as_mut_slice()));
        let sample = Denominator { bias: Some(&bias), excluded: None };
        let mut scratch = SoftmaxScratch::default();
        let received =
            softmax_cross_entropy((&hidden, &items), &targets, 1.0, gradients, (sample, &mut scratch));
        assert!((received - loss(&hidden, &items)).abs() < 1e-4);
        for at in (0..hidden.len()).step_by(17) {
            let moved = |by: f32| {
                let mut moved = hidden.clone();
                moved[at] += by;
                loss(&moved, &items)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (f64::from(d_hidden[at]) - expected).abs() < 2e-3,
                "hidden {at}: {} {expected}",
                d_hidden[at]
            );
        }
        for at in (0..items.len()).step_by(61).chain(0..8) {
            let moved = |by: f32| {
                let mut moved = items.clone();
                moved[at] += by;
                loss(&hidden, &moved)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (f64::from(d_items[at]) - expected).abs() < 2e-3,
                "item {at}: {} {expected}",
                d_items[at]
            );
        }
    }

    #[test]
    fn an_excluded_item_is_as_if_it_were_not_there() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (n_items, width) = (2 * TILE + 3, 8);
        let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
        let (hidden, items) = (values(width), values(n_items * width));
        let target = 7u32;
        let left_out: Vec<u32> = (0..TILE as u32).filter(|&item| item != target).chain([300, 514]).collect();
        let offsets: Vec<usize> =
            (0..=n_items).map(|item| if item > target as usize { left_out.len() } else { 0 }).collect();
        let excluded = Some(Excluded { offsets: &offsets, items: &left_out });
        let mut scratch = SoftmaxScratch::default();
        let (mut d_hidden, mut d_items) = (vec![0.0; width], vec![0.0; items.len()]);
        let gradients = (d_hidden.as_mut_slice(), Some(d_items.as_mut_slice()));
        let denominator = Denominator { bias: None, excluded };
        let loss =
            softmax_cross_entropy((&hidden, &items), &[target], 1.0, gradients, (denominator, &mut scratch));
        let kept: Vec<u32> = (0..n_items as u32).filter(|item| !left_out.contains(item)).collect();
        let rest: Vec<f32> =
            kept.iter().flat_map(|&item| items[item as usize * width..][..width].iter().copied()).collect();
        let place = kept.iter().position(|&item| item == target).unwrap() as u32;
        let expected = plainly(&hidden, &rest, &[place], width);
        assert!((loss - expected.0).abs() < 1e-5, "{loss} {}", expected.0);
        for (at, d) in d_hidden.iter().enumerate() {
            assert!((f64::from(*d) - expected.1[at]).abs() < 1e-5, "hidden {at}");
        }
        let largest = |item: &u32| {
            d_items[*item as usize * width..][..width].iter().fold(0.0, |max: f32, d| max.max(d.abs()))
        };
        assert!(
            left_out.iter().all(|item| largest(item) < 1e-30),
            "their exponentials are no more than underflow"
        );
    }
}
