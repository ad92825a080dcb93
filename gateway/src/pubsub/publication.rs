use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::PublishError;

/// The outcome of a broadcast, which is under way already: dropping this stops nothing.
///
/// Resolves well when Redis has accepted the message and, if this pod hosts the topic, the message has come back and
/// stands in the queues of this pod's subscribers. Resolves within 3 seconds in any case.
#[derive(Debug)]
#[must_use = "the outcome is known only when it is awaited"]
pub struct Publication(State);

#[derive(Debug)]
enum State {
    Ready(Result<(), PublishError>),
    Waiting(oneshot::Receiver<Result<(), PublishError>>),
}

/// Settles a [`Publication`]; dropped unsettled, it settles as unavailable.
pub(super) type Settle = oneshot::Sender<Result<(), PublishError>>;

impl Publication {
    pub(super) fn ready(result: Result<(), PublishError>) -> Self {
        Self(State::Ready(result))
    }

    pub(super) fn waiting() -> (Settle, Self) {
        let (settle, outcome) = oneshot::channel();
        (settle, Self(State::Waiting(outcome)))
    }

    /// One that a test settles, when it likes.
    #[cfg(test)]
    pub(crate) fn pending() -> (impl FnOnce(Result<(), PublishError>), Self) {
        let (settle, publication) = Self::waiting();
        (move |outcome| settle.send(outcome).unwrap_or_default(), publication)
    }
}

impl Future for Publication {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(*result),
            State::Waiting(outcome) => Pin::new(outcome).poll(cx).map(|outcome| {
                let result = outcome.unwrap_or(Err(PublishError::Unavailable));
                self.0 = State::Ready(result);
                result
            }),
        }
    }
}
