use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::PublishError;
use super::idempotency::Acceptance;

/// The outcome of a broadcast, which is under way already: dropping this stops nothing.
///
/// Resolves well when Redis has accepted the message and, if this pod hosts the topic, the message has come back and
/// stands in the queues of this pod's subscribers. Resolves within 3 seconds in any case.
#[derive(Debug)]
#[must_use = "the outcome is known only when it is awaited"]
pub struct Publication(State);

/// The outcome of a broadcast that may have an idempotency key; otherwise as [`Publication`].
///
/// A duplicate resolves when Redis has said that it is one: the first message may still be on its way to this pod. After
/// `Unavailable`, the same broadcast with the same key can be sent again without harm: it is sent if it was not.
#[derive(Debug)]
#[must_use = "the outcome is known only when it is awaited"]
pub struct KeyedPublication(Publication);

type Outcome = Result<Acceptance, PublishError>;

#[derive(Debug)]
enum State {
    Ready(Outcome),
    Waiting(oneshot::Receiver<Outcome>),
}

/// Settles a [`Publication`]; dropped unsettled, it settles as unavailable.
pub(super) type Settle = oneshot::Sender<Outcome>;

impl Publication {
    pub(super) fn ready(outcome: Outcome) -> Self {
        Self(State::Ready(outcome))
    }

    pub(super) fn waiting() -> (Settle, Self) {
        let (settle, outcome) = oneshot::channel();
        (settle, Self(State::Waiting(outcome)))
    }

    /// The same, which also tells a duplicate.
    pub(super) fn keyed(self) -> KeyedPublication {
        KeyedPublication(self)
    }

    /// One that a test settles, when it likes.
    #[cfg(test)]
    pub(crate) fn pending() -> (impl FnOnce(Result<(), PublishError>), Self) {
        let (settle, publication) = Self::waiting();
        let settle = move |outcome: Result<(), _>| settle.send(outcome.map(|()| Acceptance::New)).map(drop);
        (move |outcome| settle(outcome).unwrap_or_default(), publication)
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.0 {
            State::Ready(outcome) => Poll::Ready(*outcome),
            State::Waiting(waiting) => Pin::new(waiting).poll(cx).map(|settled| {
                let outcome = settled.unwrap_or(Err(PublishError::Unavailable));
                self.0 = State::Ready(outcome);
                outcome
            }),
        }
    }
}

impl Future for Publication {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_outcome(cx).map_ok(drop)
    }
}

impl Future for KeyedPublication {
    type Output = Result<Acceptance, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_outcome(cx)
    }
}
