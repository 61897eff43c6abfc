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
use crate::matmul::{Matrix, MatrixMut, add_matmul, dot, matmul};
use crate::simd::{Kernel, add_scaled, exp, sum_of, vectorized};

const ROWS: usize = 256;
const TILE: usize = 256;

/// Buffers of [`FullSoftmax::run`], reused from step to step.
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

/// Rows beside all items: the loss is the sum over the rows of `−log softmax(hidden · itemsᵀ)[target]`.
#[derive(Clone, Copy, Debug)]
pub struct FullSoftmax<'a> {
    /// `[N, d]`.
    pub hidden: &'a [f32],
    /// `[V, d]`.
    pub items: &'a [f32],
    /// `[N]`, below V.
    pub targets: &'a [u32],
    /// Gradients are those of `scale` times the loss.
    pub scale: f32,
    /// What stands in it beside the targets.
    pub denominator: Denominator<'a>,
}

impl FullSoftmax<'_> {
    /// The loss, without `scale`. `d_hidden` (`[N, d]`) is overwritten, `d_items` (`[V, d]`) is added to. Equal at any
    /// thread count.
    ///
    /// # Panics
    /// When the shapes do not fit or a target is not below V.
    pub fn run(
        &self,
        d_hidden: &mut [f32],
        mut d_items: Option<&mut [f32]>,
        scratch: &mut SoftmaxScratch,
    ) -> f64 {
        let &Self { hidden, items, targets, scale, denominator } = self;
        if targets.is_empty() {
            return 0.0;
        }
        let width = hidden.len() / targets.len();
        self.check(width, d_hidden, d_items.as_deref());
        scratch.tiles.resize_with((items.len() / width).div_ceil(TILE), Tile::default);
        let mut loss = 0.0;
        for (at, d_hidden) in d_hidden.chunks_mut(ROWS * width).enumerate() {
            let rows = at * ROWS..at * ROWS + d_hidden.len() / width;
            let hidden = &hidden[rows.start * width..rows.end * width];
            let block = RowBlock { hidden, items, targets: &targets[rows], width, denominator };
            loss += block.run(scale, d_hidden, d_items.as_deref_mut(), scratch);
        }
        loss
    }

    fn check(&self, width: usize, d_hidden: &[f32], d_items: Option<&[f32]>) {
        let Self { hidden, items, targets, denominator, .. } = self;
        let n_values = targets.len() * width;
        assert!(hidden.len() == n_values && d_hidden.len() == n_values, "rows of the softmax");
        assert!(items.len() % width == 0, "items of the softmax");
        assert!(d_items.is_none_or(|d_items| d_items.len() == items.len()), "gradient of the items");
        let n_items = items.len() / width;
        assert!(denominator.bias.is_none_or(|bias| bias.len() == n_items), "bias of the sample");
        let lists = denominator.excluded.map(|excluded| excluded.offsets.len());
        assert!(lists.is_none_or(|n| n == n_items + 1), "lists of excluded items");
        assert!(targets.iter().all(|&target| (target as usize) < n_items), "a target is not below {n_items}");
    }
}

// Rows that are in memory together with their logits.
struct RowBlock<'a> {
    hidden: &'a [f32],  // [rows, d]
    items: &'a [f32],   // [V, d]
    targets: &'a [u32], // [rows]
    width: usize,
    denominator: Denominator<'a>,
}

impl RowBlock<'_> {
    fn run(
        &self,
        scale: f32,
        d_hidden: &mut [f32],
        d_items: Option<&mut [f32]>,
        scratch: &mut SoftmaxScratch,
    ) -> f64 {
        let SoftmaxScratch { tiles, rows } = scratch;
        let tile_items = self.items.par_chunks(TILE * self.width);
        tiles
            .par_iter_mut()
            .zip(tile_items)
            .enumerate()
            .for_each(|(at, (tile, items))| self.fill_tile(at, tile, items));
        let loss = self.normalize(scale, tiles, rows);
        self.gather_rows(&rows.pull, d_hidden, tiles);
        if let Some(d_items) = d_items {
            let parts = d_items.par_chunks_mut(TILE * self.width);
            tiles
                .par_iter_mut()
                .zip(parts)
                .for_each(|(tile, d_items)| self.add_item_gradients(tile, d_items));
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
    fn fill_tile(&self, at: usize, tile: &mut Tile, items: &[f32]) {
        let (n, n_items) = (self.n_rows(), items.len() / self.width);
        tile.p.resize(n * n_items, 0.0);
        tile.d_hidden.resize(n * self.width, 0.0);
        let items = Matrix::new(items, n_items, self.width, self.width);
        matmul(MatrixMut::new(&mut tile.p, n_items), 1.0, self.rows(), items.t());
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
        vectorized(Exponentiate { logits: p, bias: bias.unwrap_or_default(), n_items, tops: top, sums: sum });
        matmul(
            MatrixMut::new(&mut tile.d_hidden, self.width),
            1.0,
            Matrix::new(&tile.p, n, n_items, n_items),
            items,
        );
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
            let (tops, sums) = (&rows.top, &mut rows.sum);
            vectorized(Rescale { tops, own_tops: &mut tile.top, own_sums: &tile.sum, sums });
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
    fn add_item_gradients(&self, tile: &mut Tile, d_items: &mut [f32]) {
        let (n, n_items) = (self.n_rows(), d_items.len() / self.width);
        tile.scaled.resize(n * self.width, 0.0);
        let rows = tile.scaled.chunks_exact_mut(self.width).zip(self.hidden.chunks_exact(self.width));
        for ((scaled, row), &factor) in rows.zip(&tile.top) {
            scaled.iter_mut().zip(row).for_each(|(scaled, h)| *scaled = factor * h);
        }
        let p = Matrix::new(&tile.p, n, n_items, n_items);
        add_matmul(
            MatrixMut::new(d_items, self.width),
            1.0,
            p.t(),
            Matrix::new(&tile.scaled, n, self.width, self.width),
        );
    }
}

/// Turns the logits of a tile into exponentials relative to the greatest of each row; leaves these and the rows' sums.
struct Exponentiate<'a> {
    logits: &'a mut [f32],
    /// Added first; empty: nothing.
    bias: &'a [f32],
    n_items: usize,
    tops: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Exponentiate<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { logits, bias, n_items, tops, sums } = self;
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
struct Rescale<'a> {
    tops: &'a [f32],
    own_tops: &'a mut [f32],
    own_sums: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Rescale<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { tops, own_tops, own_sums, sums } = self;
        for (((top, own), own_sum), sum) in tops.iter().zip(own_tops).zip(own_sums).zip(sums) {
            *own = exp(*own - *top);
            *sum = own_sum.mul_add(*own, *sum);
        }
    }
}

#[cfg(test)]
mod tests;
