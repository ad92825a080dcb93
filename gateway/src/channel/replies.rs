use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::outcome::Reply;
use super::recovery::Recover;
use super::seat::Seat;
use crate::pubsub::Publication;
use crate::wire::Ref;

/// What the join has to be answered with, besides the response.
pub(super) struct PendingJoin {
    pub(super) reference: Ref,
    /// The channel that this join replaces: its `phx_close` follows the reply (row 111).
    pub(super) replaces: Option<Arc<Seat>>,
    pub(super) intercept: Arc<[Box<str>]>,
    /// What the client asked for, where the topic keeps a history.
    pub(super) recover: Option<Recover>,
}

/// Replies that wait for their publication, or for the replies before them.
///
/// Most of the time there are none, and an idle channel holds one word for them.
#[derive(Default)]
pub(super) struct Replies(Option<Box<Queue>>);

#[derive(Default)]
struct Queue(VecDeque<Deferred>);

struct Deferred {
    reference: Ref,
    waits_for: Option<Publication>,
    reply: Reply,
}

impl Replies {
    pub(super) fn push(&mut self, reference: Ref, waits_for: Option<Publication>, reply: Reply) {
        self.0.get_or_insert_default().0.push_back(Deferred { reference, waits_for, reply });
    }

    /// Takes the next reply that is due. A publication that failed has its own.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>) -> Option<(Ref, Reply)> {
        let Queue(queue) = &mut **self.0.as_mut()?;
        let first = queue.front_mut()?;
        let failure = match first.waits_for.as_mut().map(|publication| Pin::new(publication).poll(task)) {
            Some(Poll::Pending) => return None,
            Some(Poll::Ready(Err(failure))) => Some(Reply::from(failure)),
            Some(Poll::Ready(Ok(()))) | None => None,
        };
        let Deferred { reference, reply, .. } = queue.pop_front()?;
        if queue.is_empty() {
            self.0 = None;
        }
        Some((reference, failure.unwrap_or(reply)))
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.0.len())
    }
}
