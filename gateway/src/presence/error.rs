use thiserror::Error;

/// Why a presence was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PresenceError {
    /// The same channel has tracked the same key in this topic (checklist row 182).
    #[error("already tracked")]
    AlreadyTracked,
    /// There is nothing to update (checklist row 181).
    #[error("not tracked")]
    NotTracked,
    /// The key is over 1024 bytes, or the meta over 64 KiB of JSON.
    #[error("the key or the meta is too large")]
    TooLarge,
}

/// Redis is away: who is present is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("who is present is not known at the moment")]
pub struct Unavailable;
