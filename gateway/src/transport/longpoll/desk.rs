use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::Frame;
use super::places::MAX_PLACES;
use super::way::{Room, Way};
use crate::channel::Client;
use crate::clock::Clock;
use crate::ids::NodeId;
use crate::socket::{CloseReason, Entry};

/// How long another pod may take to pass on the messages that it was given, and to say so.
const CONFIRMATION: Duration = Duration::from_secs(3);

/// Where the requests of a client and the task of its session meet.
pub(super) struct Desk {
    client: Arc<Client>,
    entry: Entry,
    clock: Clock,
    /// How long a request waits.
    window: Duration,
    max_frame: usize,
    state: Mutex<State>,
    /// What another pod was given has been passed on.
    confirmed: Notify,
}

#[derive(Default)]
struct State {
    /// The poll that waits; a newer one takes its place.
    waiter: Option<Waiter>,
    /// What a poll had taken that came to nothing.
    returned: Option<Bytes>,
    /// The poll by another pod whose messages that one has not passed on yet, as far as is known.
    handed_out: Option<(NodeId, u64)>,
    pushes: VecDeque<Push>,
    polls: u64,
    ended: bool,
}

/// Where the messages for a poll go that came to another pod.
#[derive(Debug, Clone)]
pub(super) struct Onward {
    pub(super) way: Way,
    /// The node that asked, and the number that it gave the poll, if it will say when it has passed them on.
    pub(super) confirmed_by: Option<(NodeId, u64)>,
}

struct Waiter {
    number: u64,
    handed: oneshot::Sender<Handed>,
    /// None: to a client of this pod.
    onward: Option<Onward>,
    room: Option<Room>,
}

/// What a poll gets from the session's task.
enum Handed {
    Messages(Bytes, Option<Room>),
    /// So many bytes wait, and the way has no room for them now.
    Needs(usize),
}

impl Waiter {
    fn new(number: u64, onward: Option<&Onward>, room: Option<Room>) -> (Self, oneshot::Receiver<Handed>) {
        let (handed, receiver) = oneshot::channel();
        (Self { number, handed, onward: onward.cloned(), room }, receiver)
    }

    /// How many bytes may be handed over, unless it is a single message.
    fn limit(&self) -> usize {
        self.room.as_ref().map_or(usize::MAX, Room::bytes)
    }

    /// Room for messages, where they need some. None: there is none now.
    fn claim(&mut self, bytes: usize) -> Option<Option<Room>> {
        match (&self.onward, self.room.take()) {
            (None, _) => Some(None),
            (Some(_), Some(room)) => Some(Some(room)),
            (Some(onward), None) => onward.way.try_room(bytes).map(Some),
        }
    }
}

/// A body that is to be processed.
pub(super) struct Push {
    pub(super) frames: VecDeque<Frame>,
    /// Dropped unsent when the session ends.
    pub(super) done: oneshot::Sender<()>,
    /// Its client has been told that it came too late: the rest of it is dropped.
    given_up: Arc<AtomicBool>,
}

impl Push {
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

impl Desk {
    pub(super) fn new(
        client: Arc<Client>,
        entry: Entry,
        clock: Clock,
        window: Duration,
        max_frame: usize,
    ) -> Arc<Self> {
        let (state, confirmed) = (Mutex::default(), Notify::new());
        Arc::new(Self { client, entry, clock, window, max_frame, state, confirmed })
    }

    /// The largest frame that the client may send, in bytes.
    pub(super) fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Waits for messages. Nothing is lost when it is dropped before it is ready.
    pub(super) async fn poll(&self) -> Answer {
        self.poll_by(None).await.0
    }

    /// As [`Desk::poll`], for an answer that has a way to go. Messages stay in the session until there is room for them, and
    /// take it until what is returned is dropped; without room in time there is nothing for this poll.
    pub(super) async fn poll_by(&self, onward: Option<&Onward>) -> (Answer, Option<Room>) {
        let deadline = Instant::now() + self.window;
        self.entry.seen(self.clock.now_ms());
        let Ok(number) = tokio::time::timeout(CONFIRMATION, self.begin()).await else {
            // A balancer may have sent a poll again whose pod has died over it.
            self.break_off();
            return (Answer::Gone, None);
        };
        let mut room = None;
        let polled = loop {
            let bytes = match self.wait(Waiter::new(number, onward, room), deadline).await {
                Ok(polled) => break polled,
                Err(bytes) => bytes,
            };
            let Some(onward) = onward else { break (Answer::Nothing, None) };
            room = onward.way.room(bytes, deadline).await;
            if room.is_none() {
                break (Answer::Nothing, None);
            }
        };
        self.entry.seen(self.clock.now_ms());
        polled
    }

    /// Another pod has passed on what it was given.
    pub(super) fn passed_on(&self, poll: &(NodeId, u64)) {
        self.state.lock().handed_out.take_if(|handed_out| handed_out == poll);
        self.confirmed.notify_waiters();
    }

    /// Numbers a poll, as soon as what was given out before has reached its client as far as is known. The one that waits gives
    /// place to it.
    async fn begin(&self) -> u64 {
        loop {
            let confirmed = self.confirmed.notified();
            {
                let mut state = self.state.lock();
                if state.ended || state.handed_out.is_none() {
                    state.waiter = None;
                    state.polls += 1;
                    return state.polls;
                }
            }
            confirmed.await;
        }
    }

    /// Waits for messages and the room that they need.
    ///
    /// # Errors
    /// With the number of bytes when there is no room for them.
    async fn wait(
        &self,
        (waiter, receiver): (Waiter, oneshot::Receiver<Handed>),
        deadline: Instant,
    ) -> Result<(Answer, Option<Room>), usize> {
        let mut poll = Poll { desk: self, number: waiter.number, receiver };
        if let Some(polled) = self.expect(waiter)? {
            return Ok(polled);
        }
        self.client.outbox().wake();
        match tokio::time::timeout_at(deadline, &mut poll.receiver).await {
            Ok(Ok(Handed::Messages(messages, room))) => Ok((Answer::Messages(messages), room)),
            Ok(Ok(Handed::Needs(bytes))) => Err(bytes),
            Ok(Err(_)) if self.has_ended() => Ok((Answer::Gone, None)),
            Ok(Err(_)) => {
                // A newer poll has taken the place. To answer at once would have a client that polls twice do so for ever.
                tokio::time::sleep_until(deadline).await;
                Ok((Answer::Nothing, None))
            }
            Err(_late) => {
                Ok(poll.leave().map_or((Answer::Nothing, None), |(messages, room)| (Answer::Messages(messages), room)))
            }
        }
    }

    /// Puts a poll in the place of the one that waits, unless it can be answered at once.
    fn expect(&self, mut waiter: Waiter) -> Result<Option<(Answer, Option<Room>)>, usize> {
        let mut state = self.state.lock();
        if state.ended {
            return Ok(Some((Answer::Gone, None)));
        }
        if state.polls != waiter.number {
            // A newer one has begun.
            return Ok(None);
        }
        let Some(messages) = state.returned.take() else {
            state.waiter = Some(waiter);
            return Ok(None);
        };
        let Some(room) = waiter.claim(messages.len()) else {
            let bytes = messages.len();
            state.returned = Some(messages);
            return Err(bytes);
        };
        state.handed_out = waiter.onward.and_then(|onward| onward.confirmed_by);
        Ok(Some((Answer::Messages(messages), room)))
    }

    /// Has frames processed, in their order and behind those of earlier requests.
    pub(super) async fn push(&self, frames: VecDeque<Frame>) -> Answer {
        let (done, receiver) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        {
            let mut state = self.state.lock();
            if state.ended {
                return Answer::Gone;
            }
            if state.pushes.len() >= MAX_PLACES {
                return Answer::Late;
            }
            state.pushes.push_back(Push { frames, done, given_up: Arc::clone(&given_up) });
        }
        self.client.outbox().wake();
        match tokio::time::timeout(self.window, receiver).await {
            Ok(Ok(())) => Answer::Done,
            Ok(Err(_)) => Answer::Gone,
            Err(_late) => {
                given_up.store(true, Ordering::Relaxed);
                Answer::Late
            }
        }
    }

    /// Messages may not have reached the client, or not in their order: it has to begin anew. It hears nothing more, or it
    /// would take what comes later for all that there was.
    pub(super) fn break_off(&self) {
        self.end();
        self.entry.close(CloseReason::ClientGone);
    }

    // === for the session's task ===

    /// The oldest body that waits.
    pub(super) fn next_push(&self) -> Option<Push> {
        self.state.lock().pushes.pop_front()
    }

    /// Hands messages to the poll that waits, if there is one and room for them; `make` makes them then, of so many bytes at
    /// most unless it is a single one.
    pub(super) fn hand_over(&self, make: impl FnOnce(usize) -> Bytes) -> bool {
        let mut state = self.state.lock();
        let Some(mut waiter) = state.waiter.take_if(|waiter| !waiter.handed.is_closed()) else { return false };
        let messages = make(waiter.limit());
        let Some(room) = waiter.claim(messages.len()) else {
            drop(waiter.handed.send(Handed::Needs(messages.len())));
            return false;
        };
        // Whoever leaves looks for them under this lock.
        let taken = waiter.handed.send(Handed::Messages(messages, room)).is_ok();
        if taken {
            state.handed_out = waiter.onward.and_then(|onward| onward.confirmed_by);
        }
        taken
    }

    /// Answers all who wait, and all who come, that the session is gone.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        let (waiter, pushes) = (state.waiter.take(), std::mem::take(&mut state.pushes));
        drop(state);
        drop((waiter, pushes));
        self.confirmed.notify_waiters();
    }

    /// Whether its client is to begin anew at another pod.
    pub(super) fn is_sent_away(&self) -> bool {
        self.entry.closing() == Some(CloseReason::Rebalanced)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }
}

/// A poll under way.
struct Poll<'a> {
    desk: &'a Desk,
    number: u64,
    receiver: oneshot::Receiver<Handed>,
}

impl Poll<'_> {
    /// Does not wait any more. Messages that came at the last moment are returned.
    fn leave(&mut self) -> Option<(Bytes, Option<Room>)> {
        let mut state = self.desk.state.lock();
        state.waiter.take_if(|waiter| waiter.number == self.number);
        match self.receiver.try_recv() {
            Ok(Handed::Messages(messages, room)) => Some((messages, room)),
            Ok(Handed::Needs(_)) | Err(_) => None,
        }
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let Some((messages, _room)) = self.leave() else { return };
        // The next poll gets them, unless a newer one may have got what came after them.
        let mut state = self.desk.state.lock();
        if state.polls == self.number {
            (state.returned, state.handed_out) = (Some(messages), None);
        } else {
            drop(state);
            self.desk.break_off();
        }
    }
}

#[cfg(test)]
mod tests;
