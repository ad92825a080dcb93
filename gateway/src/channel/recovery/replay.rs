use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::super::env::Env;
use super::cursor::{Broken, Cursor};
use super::pages::{Pages, Reading, Shared};
use crate::history::Position;
use crate::pubsub::{Interest, Received, Subscriber, Subscription, Unavailable};

/// How many pages without anything new may follow each other while the topic is said to have moved.
const MAX_EMPTY: u8 = 8;

/// How long a connection may have no room for anything that its client missed before it is closed: as long as it lasts, a
/// page is held for it, and what its topic sends.
const STALL: Duration = Duration::from_secs(30);

/// A client on its way from where it was to where the topic is. It is in nobody's list of subscribers meanwhile.
pub(in super::super) struct Replay {
    topic: Arc<str>,
    /// Events that go through the channel instead of straight to the client.
    intercept: Arc<[Box<str>]>,
    pages: Arc<Pages>,
    cursor: Cursor,
    /// Both until it is attached.
    waiting: Option<(Interest, Subscriber)>,
    /// What is being handed out, and up to where.
    page: Option<(Shared, std::ops::Range<usize>)>,
    reading: Option<Reading>,
    empty: u8,
    /// While there is no room.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What a replay comes to.
pub(in super::super) enum Next {
    /// The channel has to handle this before it goes on.
    Intercepted(Arc<Received>),
    /// All that is known has been handed out: [`Replay::attach`].
    Level,
    /// Something is missing and cannot be had.
    Broken,
}

impl Replay {
    /// From a position, with the page behind it if that has been read.
    pub(in super::super) fn new(
        topic: Arc<str>,
        intercept: Arc<[Box<str>]>,
        pages: Arc<Pages>,
        position: Position,
        page: Option<Shared>,
        waiting: (Interest, Subscriber),
    ) -> Self {
        let reading: Option<Reading> = page.map(|page| Box::pin(std::future::ready(Ok(page))) as Reading);
        let (cursor, waiting) = (Cursor::new(position), Some(waiting));
        Self { topic, intercept, pages, cursor, waiting, page: None, reading, empty: 0, stalled: None }
    }

    /// Hands out messages as the client has room for them.
    pub(in super::super) fn poll_next(&mut self, task: &mut Context<'_>, env: &mut Env) -> Poll<Next> {
        loop {
            if let Some(received) = ready!(self.poll_page(task, env)) {
                return Poll::Ready(Next::Intercepted(received));
            }
            let Some(reading) = &mut self.reading else { return Poll::Ready(Next::Level) };
            let read = ready!(reading.as_mut().poll(task));
            self.reading = None;
            match read.map_err(|Unavailable| Broken).and_then(|shared| self.take(shared)) {
                Ok(()) => {}
                Err(Broken) => return Poll::Ready(Next::Broken),
            }
        }
    }

    /// Waits until the client has room for more. The connection of one that takes nothing for too long is closed.
    pub(in super::super) fn poll_room(&mut self, task: &mut Context<'_>, env: &mut Env) -> Poll<()> {
        if env.client.outbox().poll_room(task).is_ready() {
            env.has_room();
            self.stalled = None;
            return Poll::Ready(());
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        while stalled.as_mut().poll(task).is_ready() {
            // Its other topics may have used the room that there was.
            let now = Instant::now();
            let due = env.roomy().map_or(now, |roomy| roomy + STALL);
            if due <= now {
                env.client.outbox().shed();
                break;
            }
            stalled.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Makes the client a subscriber, if it has had all that the others have had; else the next page is read.
    pub(in super::super) fn attach(&mut self, before: impl FnOnce()) -> Option<Subscription> {
        let (interest, subscriber) = self.waiting.take()?;
        match interest.attach_at(self.cursor.position(), subscriber, before) {
            Ok(subscription) => Some(subscription),
            Err((interest, subscriber)) => {
                let after = self.cursor.position();
                let read = |limit| interest.read_after(after.offset, limit);
                self.reading = Some(self.pages.after(&self.topic, after, read));
                self.waiting = Some((interest, subscriber));
                None
            }
        }
    }

    fn take(&mut self, shared: Shared) -> Result<(), Broken> {
        let next = self.cursor.take(shared.page().ok_or(Broken)?)?;
        self.empty = if next.is_empty() { self.empty + 1 } else { 0 };
        self.page = Some((shared, next));
        if self.empty > MAX_EMPTY { Err(Broken) } else { Ok(()) }
    }

    /// Hands out what was read; ready when nothing is left, or with what the channel has to handle.
    fn poll_page(&mut self, task: &mut Context<'_>, env: &mut Env) -> Poll<Option<Arc<Received>>> {
        while self.page.as_ref().is_some_and(|(_, rest)| !rest.is_empty()) {
            ready!(self.poll_room(task, env));
            let Some((shared, rest)) = &mut self.page else { break };
            let Some(index) = rest.next() else { break };
            let Some(message) = shared.message(index) else { break };
            if self.intercept.contains(&message.event) {
                let (topic, event) = (Arc::clone(&self.topic), message.event.clone());
                let (payload, offset) = (message.payload.clone(), Some(message.offset));
                return Poll::Ready(Some(Arc::new(Received { topic, event, payload, offset })));
            }
            if let Some(packet) = shared.packet(env.client.encoding(), index) {
                // A full outbox closes the connection by itself: its channels learn of it by their end.
                let _closing = env.client.outbox().push(packet);
            }
        }
        self.page = None;
        Poll::Ready(None)
    }
}
