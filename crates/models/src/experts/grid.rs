//! The grids on which settings are searched, and a step from one value to the next. Every draw is part of what a seed means: which
//! values are drawn, and in what order, decides which settings a search tries.

use rand::{Rng, RngCore};

/// Days; 0 = time does not count.
pub(crate) const HALF_LIVES: &[f32] = &[0.0, 1.0, 7.0, 30.0, 120.0, 480.0];
/// Weights of an event relative to the next newer one.
pub(crate) const RECENCY: &[f32] = &[0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Shares of an item's likeness to itself from which a search starts, beside 0.
pub(crate) const REPEATS: &[f32] = &[0.5, 0.8];

/// Moves a value to a neighbor on its grid; one between two grid values counts as the upper one.
pub(crate) fn move_on(value: &mut f32, grid: &[f32], rng: &mut dyn RngCore) {
    let at = grid.iter().position(|&g| g >= *value).unwrap_or(grid.len() - 1);
    *value = grid[neighbor(at, grid.len(), rng)];
}

/// As [`move_on`], for counts.
pub(crate) fn move_count(value: &mut usize, grid: &[usize], rng: &mut dyn RngCore) {
    let at = grid.iter().position(|&g| g >= *value).unwrap_or(grid.len() - 1);
    *value = grid[neighbor(at, grid.len(), rng)];
}

/// Moves the share of an item's likeness to itself, now and then, where a start has shown that it is of use; else nothing is drawn.
/// Whether it moved.
pub(crate) fn moves_repeat(repeat: &mut f32, rng: &mut dyn RngCore) -> bool {
    let moves = *repeat > 0.0 && rng.random_bool(0.2);
    if moves {
        move_on(repeat, &[0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], rng);
    }
    moves
}

/// The place beside `at` on a grid of `n` values: either side at random, the only side at an end.
pub(crate) fn neighbor(at: usize, n: usize, rng: &mut dyn RngCore) -> usize {
    if at == 0 {
        return 1.min(n - 1);
    }
    if at + 1 >= n || rng.random_bool(0.5) { at - 1 } else { at + 1 }
}
