//! Dense f32 kernels. This crate does not know what an item is.
//!
//! Matrices are row-major slices with explicit shapes. Results are equal at any thread count: work is cut into
//! tiles of fixed size, and each tile is computed by one thread.

mod matmul;
mod simd;
pub mod params;
pub mod linear;
pub mod layer_norm;
pub mod gelu;
pub mod dropout;
pub mod attention;
pub mod block;
mod eigen;
mod inverse;
mod solve;
mod sparse_inverse;

pub use eigen::symmetric_eigen;
pub use inverse::{NotPositiveDefinite, invert_spd};
pub use matmul::{Matrix, matmul, matmul_parallel};
pub use params::{Gradients, Init, Param, ParamId, Params};
pub use solve::solve_spd_small;
pub use sparse_inverse::Elimination;
