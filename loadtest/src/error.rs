//! Why a run ended without a result.

use std::net::SocketAddr;

use crate::client::EndpointError;

/// Each line is complete: what happened, and where it helps, what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("{0}")]
    Usage(String),
    #[error("nothing listens at {address} ({url}); is the server running?")]
    NotListening { url: String, address: SocketAddr },
    #[error("connection {number} to {url} failed: {reason}")]
    Connection { url: String, number: usize, reason: String },
    #[error("the join of {topic} was refused: {reason}")]
    JoinRefused { topic: String, reason: String },
    #[error("{done} of {wanted} connections were joined, then nothing happened for {seconds} s")]
    Stuck { done: usize, wanted: usize, seconds: u64 },
    #[error("the push of {event:?} to {topic} was refused: {reason}")]
    PushRefused { topic: String, event: String, reason: String },
    #[error(
        "the server ended the channel {topic} with {how}; does its application handle the event {event:?}? (--event names another)"
    )]
    ChannelEnded { topic: String, event: String, how: String },
    #[error("process {pid} can't be watched: {reason}")]
    Process { pid: u32, reason: String },
    #[error("the floor did not start: {0}")]
    Floor(String),
    #[error("worker {number}: {reason}")]
    Worker { number: usize, reason: String },
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
}

impl Error {
    /// Turns an I/O error into one that says what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// 64 for wrong usage, 69 when the server or another thing that the run needs is not there.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Endpoint(_) => 64,
            _ => 69,
        }
    }
}
