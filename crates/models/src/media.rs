//! Pictures and sound of items on their way to an encoder: what may be wrong with a file.

/// Why the bytes of a picture or of a sound cannot be used. A job counts and names such files and does the others.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// It is larger than its limit, by what it says about itself.
    #[error("{received} {unit}, at most {limit} are read\n  hint: make it smaller or shorter")]
    TooLarge {
        /// What it claims.
        received: u64,
        /// What is allowed.
        limit: u64,
        /// Of what: bytes, pixels, seconds.
        unit: &'static str,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// It is of another kind, or broken.
    #[error("cannot be decoded: {reason}\n  hint: {supported}")]
    Undecodable {
        /// What the decoder said.
        reason: String,
        /// What can be decoded.
        supported: &'static str,
    },
}
