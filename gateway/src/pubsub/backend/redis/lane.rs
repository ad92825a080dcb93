//! Publications of some topics, from the call until the outcome is known.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::history::Retention;
use crate::pubsub::error::PublishError;
use crate::pubsub::idempotency::Acceptance;
use crate::pubsub::message::{Broadcast, Control};
use crate::pubsub::publication::{Publication, Settle};
use crate::pubsub::topics::Hold;

/// How long a publication may take (ruling 10).
pub(super) const DEADLINE: Duration = Duration::from_secs(3);

/// After how long a message that Redis has taken should have come back.
const OVERDUE: Duration = Duration::from_secs(1);

/// What may wait to be sent; beyond that, publications fail at once.
const MAX_QUEUED: usize = 16 * 1024;
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// What one batch holds.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;

/// Numbers publications in the order of calls, and knows which are under way.
#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    /// How many were numbered; the first is number 1.
    last: u64,
    queue: VecDeque<Item>,
    queued_bytes: usize,
    /// Without gaps up to `last`.
    pending: VecDeque<Pending>,
    closed: bool,
}

/// One publication to send.
pub(super) struct Item {
    pub(super) sequence: u64,
    pub(super) channel: String,
    pub(super) body: Body,
    /// Whether it has to come back.
    pub(super) hosted: bool,
}

pub(super) enum Body {
    Broadcast(Broadcast),
    /// With the name in Redis of its idempotency key.
    Once(Broadcast, String),
    /// To be appended to the history of its topic; with the name of its idempotency key, if it has one.
    Kept(Broadcast, Retention, Option<String>),
    Control(Control),
}

struct Pending {
    since: Instant,
    /// Taken when it is settled.
    settle: Option<Settle>,
    /// Of the topic, if it is hosted.
    hold: Option<Hold>,
    sent: bool,
    accepted: bool,
    doubted: bool,
}

/// Holds of settled publications: to be dropped when the lane is unlocked, since that locks topics.
type Released = Vec<Hold>;

impl Lane {
    /// Numbers and queues a publication.
    pub(super) fn push(&self, channel: String, body: Body, hold: Option<Hold>) -> Publication {
        let size = body.size();
        let mut state = self.state.lock();
        if state.closed || state.queue.len() >= MAX_QUEUED || state.queued_bytes + size > MAX_QUEUED_BYTES {
            return Publication::ready(Err(PublishError::Unavailable));
        }
        let (settle, publication) = Publication::waiting();
        state.last += 1;
        let item = Item { sequence: state.last, channel, body, hosted: hold.is_some() };
        state.queue.push_back(item);
        state.queued_bytes += size;
        let since = Instant::now();
        let flags = Pending { since, settle: Some(settle), hold, sent: false, accepted: false, doubted: false };
        state.pending.push_back(flags);
        drop(state);
        self.filled.notify_one();
        publication
    }

    /// Waits until something is queued; its channel.
    pub(super) async fn head(&self) -> String {
        loop {
            if let Some(item) = self.state.lock().queue.front() {
                return item.channel.clone();
            }
            self.filled.notified().await;
        }
    }

    /// Takes the next batch, without what has failed meanwhile.
    pub(super) fn take(&self) -> Vec<Item> {
        let mut state = self.state.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(item) = state.queue.pop_front() else { break };
            state.queued_bytes -= item.body.size();
            if let Some(pending) = state.pending(item.sequence) {
                pending.sent = true;
                bytes += item.body.size();
                batch.push(item);
            }
        }
        batch
    }

    /// Redis has taken a message.
    pub(super) fn accepted(&self, sequence: u64) {
        let mut state = self.state.lock();
        let Some(pending) = state.pending(sequence) else { return };
        pending.accepted = true;
        if pending.hold.is_none() {
            Self::settle(state, [sequence], Ok(Acceptance::New));
        }
    }

    /// A message was not sent, as one with its idempotency key had been: there is nothing that could come back.
    pub(super) fn duplicate(&self, sequence: u64) {
        Self::settle(self.state.lock(), [sequence], Ok(Acceptance::Duplicate));
    }

    /// A message cannot be sent, or nobody knows whether it was.
    pub(super) fn failed(&self, sequence: u64) {
        Self::settle(self.state.lock(), [sequence], Err(PublishError::Unavailable));
    }

    /// A message is back and stands in the queues of the subscribers. How long it took, if it was awaited.
    pub(super) fn came_back(&self, sequence: u64) -> Option<Duration> {
        let mut state = self.state.lock();
        let took = state.pending(sequence)?.since.elapsed();
        Self::settle(state, [sequence], Ok(Acceptance::New));
        Some(took)
    }

    /// Fails what was sent, and can no longer come back because its topic is not received any more.
    pub(super) fn fail_interrupted(&self) {
        self.fail_if(|pending| pending.sent && pending.hold.as_ref().is_some_and(Hold::is_interrupted));
    }

    /// Fails what has taken too long. The topics whose messages Redis has taken and not sent back.
    pub(super) fn expire(&self, now: Instant) -> Vec<Arc<str>> {
        self.fail_if(|pending| pending.since + DEADLINE <= now);
        let mut doubted = Vec::new();
        let mut state = self.state.lock();
        let overdue = state.pending.iter_mut().take_while(|pending| pending.since + OVERDUE <= now);
        for pending in overdue.filter(|pending| pending.accepted && !pending.doubted) {
            pending.doubted = true;
            doubted.extend(pending.hold.as_ref().map(|hold| hold.topic().clone()));
        }
        doubted
    }

    /// Fails everything, now and in future.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.fail_if(|_| true);
    }

    fn fail_if(&self, condition: impl Fn(&Pending) -> bool) {
        let state = self.state.lock();
        let first = state.first();
        let due = state.pending.iter().zip(first..).filter(|(pending, _)| pending.settle.is_some());
        let due: Vec<u64> = due.filter(|(pending, _)| condition(pending)).map(|(_, sequence)| sequence).collect();
        Self::settle(state, due, Err(PublishError::Unavailable));
    }

    fn settle(
        mut state: MutexGuard<'_, State>,
        sequences: impl IntoIterator<Item = u64>,
        outcome: Result<Acceptance, PublishError>,
    ) {
        let mut released = Released::new();
        for sequence in sequences {
            let Some(pending) = state.pending(sequence) else { continue };
            released.extend(pending.hold.take());
            if let Some(settle) = pending.settle.take() {
                // Who no longer waits has dropped the other end.
                let _ = settle.send(outcome);
            }
        }
        while state.pending.front().is_some_and(|pending| pending.settle.is_none()) {
            state.pending.pop_front();
        }
        drop(state);
        drop(released);
    }
}

impl State {
    /// The number of the first one pending.
    fn first(&self) -> u64 {
        self.last + 1 - self.pending.len() as u64
    }

    /// A publication that is not settled.
    fn pending(&mut self, sequence: u64) -> Option<&mut Pending> {
        let index = usize::try_from(sequence.checked_sub(self.first())?).ok()?;
        self.pending.get_mut(index).filter(|pending| pending.settle.is_some())
    }
}

impl Body {
    /// What it counts against the limits, in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Broadcast(broadcast) | Self::Once(broadcast, _) | Self::Kept(broadcast, ..) => {
                broadcast.payload.bytes().len() + 512
            }
            Self::Control(Control::Disconnect { socket_id }) => socket_id.len() + 512,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(lane: &Lane) -> Publication {
        let control = Control::Disconnect { socket_id: "a".into() };
        lane.push("gw:control".into(), Body::Control(control), None)
    }

    fn sequences(lane: &Lane) -> Vec<u64> {
        lane.take().iter().map(|item| item.sequence).collect()
    }

    #[tokio::test]
    async fn numbers_follow_the_order_of_calls() {
        let lane = Lane::default();
        let publications = [order(&lane), order(&lane), order(&lane)];
        assert_eq!(sequences(&lane), [1, 2, 3]);
        lane.accepted(2);
        lane.failed(1);
        lane.accepted(3);
        lane.accepted(3);
        let [first, second, third] = publications;
        assert_eq!(first.await, Err(PublishError::Unavailable));
        assert_eq!(second.await, Ok(()));
        assert_eq!(third.await, Ok(()));
        assert!(lane.state.lock().pending.is_empty());
        let _later = order(&lane);
        assert_eq!(sequences(&lane), [4]);
    }

    #[tokio::test]
    async fn what_has_failed_is_not_sent() {
        let lane = Lane::default();
        let (first, _second) = (order(&lane), order(&lane));
        lane.failed(1);
        assert_eq!(sequences(&lane), [2]);
        assert_eq!(first.await, Err(PublishError::Unavailable));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_longer_than_the_deadline() {
        let lane = Lane::default();
        let first = order(&lane);
        tokio::time::advance(DEADLINE - Duration::from_millis(1)).await;
        let second = order(&lane);
        lane.expire(Instant::now());
        assert_eq!(lane.state.lock().pending.len(), 2);
        tokio::time::advance(Duration::from_millis(1)).await;
        lane.expire(Instant::now());
        assert_eq!(first.await, Err(PublishError::Unavailable));
        lane.close();
        assert_eq!(second.await, Err(PublishError::Unavailable));
        assert_eq!(order(&lane).await, Err(PublishError::Unavailable), "closed");
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let lane = Lane::default();
        let queued: Vec<_> = (0..MAX_QUEUED).map(|_| order(&lane)).collect();
        assert_eq!(order(&lane).await, Err(PublishError::Unavailable));
        assert_eq!(lane.take().len(), BATCH);
        let _fits = order(&lane);
        drop(queued);
    }
}
