//! Dense f32 kernels, layers with their way back, losses and optimizers. This crate does not know what an item is.
//!
//! Matrices are row-major slices with explicit shapes. Results are equal at any thread count: work is cut into
//! tiles of fixed size, and each tile is computed by one thread.

mod matmul;
mod simd;
mod contrast;
pub mod params;
pub mod low_rank;
pub mod linear;
pub mod layer_norm;
pub mod gelu;
pub mod dropout;
pub mod adapter;
pub mod attention;
pub mod prefix;
pub mod block;
pub mod activation;
pub mod convolution;
pub mod depthwise;
pub mod pooling;
mod eigen;
pub mod cross_entropy;
pub mod answers;
pub mod distance;
pub mod fusion;
pub mod neighborhood;
pub mod adamw;
pub mod adagrad;
pub mod optimizer;
pub mod clip;
pub mod checkpoint;
pub mod training_state;
pub mod row_gradients;
pub mod row_table;
pub mod sampled_softmax;
pub mod info_nce;
pub mod binary_cross_entropy;
mod inverse;
mod solve;
mod sparse_inverse;

pub use eigen::symmetric_eigen;
pub use inverse::NotPositiveDefinite;
pub use matmul::{Matrix, MatrixMut, add_matmul, dot, dot_rows, matmul, matmul_parallel};
pub use params::{Gradients, Init, Param, ParamId, Params};
pub use row_gradients::RowGradients;
pub use row_table::{LazyAdamW, RowTable};
pub use simd::add_scaled;
pub use solve::solve_spd_small;
pub use sparse_inverse::Elimination;
