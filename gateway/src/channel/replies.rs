use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::outcome::Reply;
use super::recovery::Recover;
use crate::pubsub::Publication;
use crate::wire::Ref;

/// What the join has to be answered with, besides the response.
pub(super) struct PendingJoin {
    pub(super) reference: Ref,
    /// The join reference of the channel that this join replaces: its `phx_close` follows the reply (row 111).
    pub(super) replaces: Option<Ref>,
    pub(super) intercept: Arc<[Box<str>]>,
    /// What the client asked for, where the topic keeps a history.
    pub(super) recover: Option<Recover>,
}

/// Replies that wait for their publication, or for the replies before them.
#[derive(Default)]
pub(super) struct Replies(VecDeque<Deferred>);

struct Deferred {
    reference: Ref,
    waits_for: Option<Publication>,
    reply: Reply,
}

impl Replies {
    pub(super) fn push(&mut self, reference: Ref, waits_for: Option<Publication>, reply: Reply) {
        self.0.push_back(Deferred { reference, waits_for, reply });
    }

    /// Takes the next reply that is due. A publication that failed has its own.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Option<(Ref, Reply)> {
        let first = self.0.front_mut()?;
        let failure = match first.waits_for.as_mut().map(|publication| Pin::new(publication).poll(task)) {
            Some(Poll::Pending) => return None,
            Some(Poll::Ready(Err(failure))) => Some(Reply::from(failure)),
            Some(Poll::Ready(Ok(()))) | None => None,
        };
        let Deferred { reference, reply, .. } = self.0.pop_front()?;
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        Some((reference, failure.unwrap_or(reply)))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
