use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::Answer;
use super::body::Frame;
use super::places::MAX_PLACES;
use crate::channel::Client;
use crate::clock::Clock;
use crate::socket::{CloseReason, Entry};

/// Where the requests of a client and the task of its session meet.
pub(super) struct Desk {
    client: Arc<Client>,
    entry: Arc<Entry>,
    clock: Clock,
    /// How long a request waits.
    window: Duration,
    max_frame: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The poll that waits; a newer one takes its place.
    waiter: Option<Waiter>,
    /// What a poll had taken that came to nothing.
    returned: Option<Bytes>,
    pushes: VecDeque<Push>,
    polls: u64,
    ended: bool,
}

struct Waiter {
    number: u64,
    messages: oneshot::Sender<Bytes>,
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
        entry: Arc<Entry>,
        clock: Clock,
        window: Duration,
        max_frame: usize,
    ) -> Arc<Self> {
        Arc::new(Self { client, entry, clock, window, max_frame, state: Mutex::default() })
    }

    /// The largest frame that the client may send, in bytes.
    pub(super) fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// Waits for messages. Nothing is lost when it is dropped before it is ready.
    pub(super) async fn poll(&self) -> Answer {
        let deadline = Instant::now() + self.window;
        self.entry.seen(self.clock.now_ms());
        let (messages, receiver) = oneshot::channel();
        let number = {
            let mut state = self.state.lock();
            if state.ended {
                return Answer::Gone;
            }
            if let Some(messages) = state.returned.take() {
                return Answer::Messages(messages);
            }
            state.polls += 1;
            let number = state.polls;
            state.waiter = Some(Waiter { number, messages });
            number
        };
        self.client.outbox().wake();
        let mut poll = Poll { desk: self, number, receiver };
        let outcome = tokio::time::timeout_at(deadline, &mut poll.receiver).await;
        let answer = match outcome {
            Ok(Ok(messages)) => Answer::Messages(messages),
            Ok(Err(_)) if self.has_ended() => Answer::Gone,
            Ok(Err(_)) => {
                // A newer poll has taken the place. To answer at once would have a client that polls twice do so for ever.
                tokio::time::sleep_until(deadline).await;
                Answer::Nothing
            }
            Err(_late) => poll.leave().map_or(Answer::Nothing, Answer::Messages),
        };
        self.entry.seen(self.clock.now_ms());
        answer
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

    /// Hands messages to the poll that waits, if there is one; `make` makes them then.
    pub(super) fn hand_over(&self, make: impl FnOnce() -> Bytes) -> bool {
        let mut state = self.state.lock();
        let Some(waiter) = state.waiter.take_if(|waiter| !waiter.messages.is_closed()) else { return false };
        // Whoever leaves looks for them under this lock.
        waiter.messages.send(make()).is_ok()
    }

    /// Answers all who wait, and all who come, that the session is gone.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        let (waiter, pushes) = (state.waiter.take(), std::mem::take(&mut state.pushes));
        drop(state);
        drop((waiter, pushes));
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
    receiver: oneshot::Receiver<Bytes>,
}

impl Poll<'_> {
    /// Does not wait any more. Messages that came at the last moment are returned.
    fn leave(&mut self) -> Option<Bytes> {
        let mut state = self.desk.state.lock();
        state.waiter.take_if(|waiter| waiter.number == self.number);
        self.receiver.try_recv().ok()
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        let Some(messages) = self.leave() else { return };
        // The next poll gets them, unless a newer one may have got what came after them.
        let mut state = self.desk.state.lock();
        if state.polls == self.number {
            state.returned = Some(messages);
        } else {
            drop(state);
            self.desk.break_off();
        }
    }
}

#[cfg(test)]
mod tests;
