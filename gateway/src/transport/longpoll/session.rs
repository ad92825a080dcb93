use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::super::admission::Permit;
use super::super::connection::LAST_ANSWERS;
use super::desk::{Desk, Push};
use crate::channel::Client;
use crate::outbox::{Overflowed, Packet, Taken};
use crate::socket::{CloseReason, Driver, Mount, Registration, Services};

/// How much one poll gets at most, in bytes, unless a single message is larger: it may have to go through Redis. The rest
/// is for the next one, which does not wait.
const MAX_ANSWER: usize = 512 * 1024;

/// How often a session may go round before the other tasks of its worker have their turn.
const MAX_ROUNDS: usize = 16;

/// How long the last messages of a session wait for a poll.
const PATIENCE: Duration = Duration::from_secs(2);

/// A long-poll session: one task that runs the channels, and serves the requests that come to its desk.
pub(super) struct Session {
    driver: Driver,
    client: Arc<Client>,
    registration: Registration,
    desk: Arc<Desk>,
    /// What was taken from the outbox, oldest first; it counts there until a poll has it.
    ready: VecDeque<Packet>,
    /// Cost of what polls have taken since the outbox was told.
    written: usize,
    /// The body that is being processed.
    push: Option<Push>,
    services: Arc<Services>,
    /// Counted among the connections of its client until this is dropped.
    _permit: Option<Arc<Permit>>,
}

impl Session {
    pub(super) fn new(
        client: Arc<Client>,
        registration: Registration,
        desk: Arc<Desk>,
        mount: Arc<Mount>,
        services: Arc<Services>,
        permit: Option<Arc<Permit>>,
    ) -> Self {
        let driver = Driver::new(Arc::clone(&client), mount);
        let (ready, written, push) = (VecDeque::new(), 0, None);
        Self { driver, client, registration, desk, ready, written, push, services, _permit: permit }
    }

    /// Runs the session until it has ended and its channels are gone.
    pub(super) async fn run(mut self) {
        let reason = poll_fn(|cx| self.poll(cx)).await;
        tracing::debug!(reason = %reason, "the session ends");
        self.services.socket_metrics.disconnect(reason);
        if reason.lets_finish() && self.driver.owes_answers() {
            // Boxed, as the end below. What comes too late is what the client would not have waited for.
            let _late = Box::pin(timeout(LAST_ANSWERS, poll_fn(|cx| self.poll_answers(cx)))).await;
        }
        self.driver.close();
        self.push = None;
        // Boxed, so that the task of an open session does not carry the room for its end.
        Box::pin(self.finish(reason)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        for _ in 0..MAX_ROUNDS {
            match self.round(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what waits, runs the channels, and serves requests, once. Whether there may be more to do.
    fn round(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if self.take()? {
            if let Some(reason) = self.registration.entry().closing() {
                return Err(reason);
            }
            self.driver.collect_mail();
        }
        self.driver.poll(cx);
        let processed = self.process()?;
        if self.hand_over() || processed {
            return Ok(true);
        }
        let parked = self.client.outbox().park(cx, std::mem::take(&mut self.written), false);
        parked.map(|parked| !parked).map_err(|Overflowed| CloseReason::SlowConsumer)
    }

    /// Goes on without taking new frames until the client waits for nothing more.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..MAX_ROUNDS {
            match self.take() {
                Ok(true) => self.driver.collect_mail(),
                Ok(false) => {}
                Err(_) => return Poll::Ready(()),
            }
            self.driver.poll(cx);
            while self.hand_over() {}
            if !self.driver.owes_answers() {
                return Poll::Ready(());
            }
            match self.client.outbox().park(cx, std::mem::take(&mut self.written), false) {
                Ok(true) => return Poll::Pending,
                Ok(false) => {}
                Err(Overflowed) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what waits in the outbox. Whether it was signalled.
    fn take(&mut self) -> Result<bool, CloseReason> {
        let taken = self.client.outbox().take(std::mem::take(&mut self.written));
        let Taken { packets, signalled, .. } = taken.map_err(|Overflowed| CloseReason::SlowConsumer)?;
        for packet in packets {
            if packet.is_binary() {
                // Answers are JSON, which has no form for bytes (protocol 6.3).
                tracing::debug!("a binary message cannot go to a client that polls: it is dropped");
                self.written += self.charge(&packet);
            } else {
                self.ready.push_back(packet);
            }
        }
        Ok(signalled)
    }

    fn charge(&self, packet: &Packet) -> usize {
        packet.cost().min(self.client.outbox().largest_charge())
    }

    /// Hands one frame to the driver, if that can be now: one whose channel or join is busy waits, and those behind it.
    /// Whether anything was done.
    fn process(&mut self) -> Result<bool, CloseReason> {
        if self.driver.is_joining() || self.driver.is_congested() {
            if self.push.as_ref().is_some_and(Push::is_given_up) {
                self.push = None;
            }
            return Ok(false);
        }
        let Some(mut push) = self.push.take().or_else(|| self.desk.next_push()) else { return Ok(false) };
        if push.is_given_up() {
            return Ok(true);
        }
        match push.frames.pop_front() {
            Some(frame) => {
                self.services.socket_metrics.messages_received.inc();
                self.driver.on_frame(frame.opcode, &frame.data, &self.services)?;
                self.push = Some(push);
            }
            // Its client may be gone meanwhile.
            None => drop(push.done.send(())),
        }
        Ok(true)
    }

    /// Gives the poll that waits what there is. Whether it took something.
    fn hand_over(&mut self) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        let mut taken = 0;
        let ready = &self.ready;
        let handed = self.desk.hand_over(|limit| {
            let messages;
            (messages, taken) = list(ready, limit.min(MAX_ANSWER));
            messages
        });
        let taken = if handed { taken } else { 0 };
        let cost: usize = self.ready.iter().take(taken).map(|packet| self.charge(packet)).sum();
        self.ready.drain(..taken);
        self.written += cost;
        taken > 0
    }

    /// Ends the channels, so that others learn of it at once, and beside that lets the client poll what was meant for it.
    async fn finish(mut self, reason: CloseReason) {
        let has_last_words =
            !matches!(reason, CloseReason::SlowConsumer | CloseReason::IdleTimeout | CloseReason::ClientGone);
        if !has_last_words {
            self.desk.end();
        }
        let mut last_words = Box::pin(tokio::time::sleep(if has_last_words { PATIENCE } else { Duration::ZERO }));
        poll_fn(|cx| {
            self.driver.poll(cx);
            if !self.desk.has_ended() {
                let waits = self.take().is_ok() && self.hand_over_all(cx);
                if !waits || last_words.as_mut().poll(cx).is_ready() {
                    self.desk.end();
                }
            }
            if self.driver.is_finished() && self.desk.has_ended() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.client.close();
    }

    /// Whether something is left that no poll has taken.
    fn hand_over_all(&mut self, cx: &Context<'_>) -> bool {
        while !self.ready.is_empty() {
            if self.hand_over() {
                continue;
            }
            match self.client.outbox().park(cx, std::mem::take(&mut self.written), false) {
                Ok(true) => return true,
                Ok(false) if self.take().is_ok() => {}
                Ok(false) | Err(Overflowed) => return false,
            }
        }
        false
    }
}

/// The first messages as a JSON list of strings, of about so many bytes or a single one, and how many they are.
fn list(ready: &VecDeque<Packet>, limit: usize) -> (Bytes, usize) {
    let (mut list, mut count) = (Vec::with_capacity(256), 0);
    list.push(b'[');
    for packet in ready {
        let text = String::from_utf8_lossy(packet.payload());
        if count > 0 {
            if list.len() + text.len() > limit {
                break;
            }
            list.push(b',');
        }
        // A string can always be written to memory.
        let _ = serde_json::to_writer(&mut list, &*text);
        count += 1;
    }
    list.push(b']');
    (list.into(), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Outgoing, Payload, Ref, Vsn};

    fn packet(text: &str) -> Packet {
        let payload = Payload::json(&serde_json::json!({ "text": text })).unwrap();
        let message = Outgoing::Push { join_ref: &Ref::Null, topic: "t", event: "e", payload: &payload, offset: None };
        Packet::encode(Vsn::V2, message).unwrap()
    }

    #[test]
    fn row_226_each_message_is_one_string() {
        let ready = VecDeque::from([packet("a \"quoted\" ü"), packet("b")]);
        let (messages, count) = list(&ready, MAX_ANSWER);
        let messages: Vec<String> = serde_json::from_slice(&messages).unwrap();
        let frames: Vec<_> = ready.iter().map(|packet| String::from_utf8_lossy(packet.payload())).collect();
        assert_eq!((messages.len(), count), (2, 2));
        assert!(messages.iter().eq(frames.iter()));
    }

    #[test]
    fn an_answer_has_a_size_but_always_one_message() {
        let large = "x".repeat(MAX_ANSWER / 2);
        let ready = VecDeque::from([packet(&large), packet("small"), packet(&large)]);
        let (messages, count) = list(&ready, MAX_ANSWER);
        assert_eq!(count, 2);
        assert_eq!(list(&VecDeque::from([packet(&"x".repeat(2 * MAX_ANSWER)), packet("b")]), MAX_ANSWER).1, 1);
        // Who asks for room for these gets the same ones with it, and no more.
        let later = VecDeque::from_iter(ready.iter().cloned().chain([packet("")]));
        assert_eq!(list(&later, messages.len()), (messages, 2));
    }
}
