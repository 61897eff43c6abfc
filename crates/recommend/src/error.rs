//! What can go wrong on the way to a list.

use segue_data::DataError;
use segue_models::ModelError;

/// Errors of the recommend crate.
#[derive(Debug, thiserror::Error)]
pub enum RecommendError {
    /// The data part of an artifact cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model part of an artifact cannot be read or written.
    #[error("expert `{expert}` in {place}: {source}")]
    Model {
        /// Which expert.
        expert: String,
        /// Folder or file.
        place: String,
        /// The cause.
        source: ModelError,
    },
    /// The request names something that the model does not know.
    #[error("{problem}\n  hint: {remedy}")]
    Request {
        /// What is wrong, with the value.
        problem: String,
        /// What would help.
        remedy: String,
    },
    /// An artifact's head does not fit.
    #[error("artifact `{place}`: {problem}\n  hint: {remedy}")]
    Artifact {
        /// Folder or file.
        place: String,
        /// What is wrong.
        problem: String,
        /// What would help.
        remedy: String,
    },
}

impl RecommendError {
    /// A request that does not fit.
    pub fn request(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Request { problem: problem.into(), remedy: remedy.into() }
    }

    /// An artifact that does not fit.
    pub fn artifact(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Artifact { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }
}
