//! Formats that can be read.

pub mod chunk;
pub mod cpuprofile;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no JSON, or not what the format asks for.
    #[error("it is no such file: {0}")]
    Json(String),
    /// It contradicts itself.
    #[error("it makes no sense: {0}")]
    Senseless(String),
}
