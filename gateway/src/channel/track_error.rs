use thiserror::Error;

use crate::presence::{PresenceError, Unavailable};

/// Why a client was not tracked, or its meta not changed.
#[derive(Debug, Error)]
pub enum TrackError {
    /// The same channel has tracked the key, or has not, or something is too large.
    #[error(transparent)]
    Refused(#[from] PresenceError),
    /// A meta is an object.
    #[error("the meta is no object")]
    NotAnObject,
    /// Redis does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
