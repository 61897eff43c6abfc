//! What can go wrong while training.

use segue_models::ModelError;

/// Errors of the train crate.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A model could not be fitted.
    #[error("expert `{expert}`: {source}")]
    Model {
        /// Which expert.
        expert: String,
        /// The cause.
        source: ModelError,
    },
    /// Training did not converge.
    #[error("training diverged: loss {loss} in pass {epoch}, step {step}\n  hint: lower the learning rate")]
    Diverged {
        /// Pass over the data, from 1.
        epoch: usize,
        /// Step within the pass.
        step: usize,
        /// Loss of the step.
        loss: f64,
    },
    /// Somebody wanted it to stop.
    #[error(
        "the training was stopped before it was done\n  hint: start it again with the same folder of checkpoints: it goes on"
    )]
    Stopped,
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] segue_nn::checkpoint::CheckpointError),
    /// An encoder could not be run or adapted.
    #[error(transparent)]
    Encoder(#[from] segue_models::encoder::EncoderError),
    /// Scores could not be judged.
    #[error(transparent)]
    Eval(#[from] segue_eval::error::Error),
    /// The data cannot be trained on as asked.
    #[error("{problem}\n  hint: {remedy}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What would help.
        remedy: String,
    },
}

impl TrainError {
    /// A request that does not fit the data.
    pub fn request(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Request { problem: problem.into(), remedy: remedy.into() }
    }
}
