use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::answer::Answer;
use super::letter::{Letter, Request};
use super::token::Ticket;
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::pubsub::PubSub;

/// How many requests may be at other pods. Each of them holds a TCP connection of its client.
const MAX_WAITING: usize = 65_536;

/// How many bytes of bodies may be on their way to other pods: Redis drops subscribers for whom too much waits.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How long a node is looked for that nobody hears: its connection to Redis may just be coming back.
const SEARCH: Duration = Duration::from_secs(1);

/// How often.
const SEARCH_PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked whether a node for which requests wait is still heard.
const LOOK: Duration = Duration::from_millis(500);

/// How many looks in a row have to find nobody.
const MISSES: u32 = 2;

/// How long an answer may be late, beyond the window of the request (Phoenix: `pubsub_timeout_ms`).
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks other pods what clients ask of sessions that are there.
pub(super) struct Forwarder {
    pubsub: PubSub,
    waiting: Mutex<HashMap<NodeId, HashMap<u64, oneshot::Sender<Answer>>>>,
    next: AtomicU64,
    bytes: Semaphore,
    /// Letters that nobody waits for are sent in these.
    background: Tasks,
    /// Begins to stop when clients are sent away.
    stopping: Tasks,
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Heard,
    /// That node is no more.
    Nobody,
    /// Redis did not say.
    Unknown,
}

impl Forwarder {
    pub(super) fn new(pubsub: PubSub, background: Tasks, stopping: Tasks) -> Arc<Self> {
        let (waiting, next, bytes) = (Mutex::default(), AtomicU64::new(1), Semaphore::new(MAX_BYTES));
        Arc::new(Self { pubsub, waiting, next, bytes, background, stopping })
    }

    pub(super) fn node(&self) -> &NodeId {
        self.pubsub.node()
    }

    /// An answer has come of a session at `from`; nobody may wait for it any more.
    pub(super) fn answered(&self, from: &NodeId, id: u64, session: &str, answer: Answer) {
        // There are few nodes.
        let waiting = self.waiting.lock().values_mut().find_map(|waiting| waiting.remove(&id));
        let unclaimed = match waiting {
            Some(waiting) => waiting.send(answer).err(),
            None => Some(answer),
        };
        if let Some(Answer::Messages(_)) = unclaimed {
            self.lost(from, session);
        }
    }

    /// Tells a node that messages of a session there have reached nobody.
    fn lost(&self, node: &NodeId, session: &str) {
        let letter = Letter::Lost { session: session.to_owned() }.encode();
        let (pubsub, node) = (self.pubsub.clone(), node.clone());
        self.background.spawn(async move {
            let sent = send(&pubsub, &node, letter).await;
            tracing::debug!(%node, ?sent, "messages of a long poll came too late: their session is to end");
        });
    }

    /// Looks whether a node is still there, for as long as somebody waits for it: one that is killed says nothing more.
    async fn watch(self: Arc<Self>, node: NodeId) {
        let mut missed = 0;
        loop {
            sleep(LOOK).await;
            if self.forget(&node) {
                return;
            }
            let heard = self.pubsub.send_letter(&node, Letter::Ping.encode()).await;
            missed = if heard == Ok(0) { missed + 1 } else { 0 };
            if missed >= MISSES {
                tracing::debug!(%node, "nobody hears this node any more: its sessions are gone");
                let waiting = self.waiting.lock().get_mut(&node).map(std::mem::take).unwrap_or_default();
                waiting.into_values().for_each(|waiting| drop(waiting.send(Answer::Gone)));
            }
        }
    }

    /// Takes a node off the list, unless somebody waits for it again.
    fn forget(&self, node: &NodeId) -> bool {
        let mut waiting = self.waiting.lock();
        let is_idle = waiting.get(node).is_none_or(HashMap::is_empty);
        if is_idle {
            waiting.remove(node);
        }
        is_idle
    }

    /// Polls at another pod. What became of a poll that was heard and not answered is unknown, so its session counts as gone;
    /// while Redis is away the client polls again.
    pub(super) async fn poll(self: &Arc<Self>, ticket: &Ticket, window: Duration) -> Answer {
        let began = Instant::now();
        let Some(mut asked) = self.ask(ticket) else { return Answer::Nothing };
        let sent = asked.poll().await;
        let (late, until) = match sent {
            Sent::Nobody => return Answer::Gone,
            Sent::Heard => (Answer::Gone, Instant::now() + window + PATIENCE),
            Sent::Unknown => (Answer::Nothing, began + window.max(PATIENCE)),
        };
        tokio::select! {
            answer = &mut asked.answer => return asked.passed_on(answer.unwrap_or(Answer::Gone)),
            () = sleep_until(until) => return late,
            () = self.stopping.stopped() => {}
        }
        // The messages that come now belong to a poll at another pod, unless they are on their way already.
        asked.call_back();
        match timeout(PATIENCE / 2, &mut asked.answer).await {
            Ok(Ok(answer)) => asked.passed_on(answer),
            Ok(Err(_)) | Err(_) => late,
        }
    }

    /// Whether the pod of a session lives, and so a body for it is worth reading.
    ///
    /// # Errors
    /// With the answer when it does not, or while Redis is away.
    pub(super) async fn find(&self, ticket: &Ticket) -> Result<(), Answer> {
        match send(&self.pubsub, &ticket.node, Letter::Ping.encode()).await {
            Sent::Heard => Ok(()),
            Sent::Nobody => Err(Answer::Gone),
            Sent::Unknown => Err(Answer::Late),
        }
    }

    /// Has another pod process a body, which is published once.
    pub(super) async fn push(self: &Arc<Self>, ticket: &Ticket, lines: bool, body: Bytes, window: Duration) -> Answer {
        let Some(mut asked) = self.ask(ticket) else { return Answer::Late };
        let size = u32::try_from(body.len().min(MAX_BYTES)).unwrap_or(u32::MAX);
        let Ok(Ok(permit)) = timeout(PATIENCE, self.bytes.acquire_many(size)).await else { return Answer::Late };
        let letter = asked.letter(Request::Push { lines, body });
        let wait = match self.pubsub.send_letter(&ticket.node, letter).await {
            Ok(0) => return Answer::Gone,
            Ok(_) => window + PATIENCE,
            Err(_) => PATIENCE,
        };
        drop(permit);
        match timeout(wait, &mut asked.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer::Late,
        }
    }

    fn ask<'a>(self: &'a Arc<Self>, ticket: &'a Ticket) -> Option<Asked<'a>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.values().map(HashMap::len).sum::<usize>() >= MAX_WAITING {
            return None;
        }
        let of_node = waiting.entry(ticket.node.clone()).or_insert_with(|| {
            self.background.spawn_until_stop(Arc::clone(self).watch(ticket.node.clone()));
            HashMap::new()
        });
        of_node.insert(id, sender);
        Some(Asked { forwarder: self, ticket, id, answer, waits: false })
    }
}

/// Sends a letter to a node, again and again while nobody hears it.
async fn send(pubsub: &PubSub, to: &NodeId, letter: Bytes) -> Sent {
    let until = Instant::now() + SEARCH;
    loop {
        match pubsub.send_letter(to, letter.clone()).await {
            Ok(0) if Instant::now() >= until => return Sent::Nobody,
            Ok(0) => sleep(SEARCH_PAUSE).await,
            Ok(_) => return Sent::Heard,
            Err(_) => return Sent::Unknown,
        }
    }
}

/// A request at another pod. Dropped, it is forgotten, and a poll is called back: nobody is there to take its messages.
struct Asked<'a> {
    forwarder: &'a Forwarder,
    ticket: &'a Ticket,
    id: u64,
    answer: oneshot::Receiver<Answer>,
    /// Whether a poll may wait at the other pod.
    waits: bool,
}

impl Asked<'_> {
    fn letter(&self, request: Request) -> Bytes {
        let (from, session) = (self.forwarder.node().clone(), self.ticket.session.as_str().to_owned());
        Letter::Request { from, id: self.id, session, request }.encode()
    }

    async fn poll(&mut self) -> Sent {
        self.waits = true;
        send(&self.forwarder.pubsub, &self.ticket.node, self.letter(Request::Poll { confirms: true })).await
    }

    /// The client gets an answer now. Its messages are told to have been passed on behind that, so that they count as lost
    /// if this pod dies before.
    fn passed_on(&self, answer: Answer) -> Answer {
        if let Answer::Messages(_) = answer {
            let (from, session) = (self.forwarder.node().clone(), self.ticket.session.as_str().to_owned());
            let letter = Letter::Passed { from, id: self.id, session }.encode();
            let (pubsub, to) = (self.forwarder.pubsub.clone(), self.ticket.node.clone());
            self.forwarder.background.spawn(async move {
                let until = Instant::now() + PATIENCE;
                while pubsub.send_letter(&to, letter.clone()).await.is_err() && Instant::now() < until {
                    sleep(SEARCH_PAUSE).await;
                }
            });
        }
        answer
    }

    fn call_back(&mut self) {
        if !std::mem::take(&mut self.waits) {
            return;
        }
        let letter = Letter::Cancel { from: self.forwarder.node().clone(), id: self.id }.encode();
        let (pubsub, to) = (self.forwarder.pubsub.clone(), self.ticket.node.clone());
        self.forwarder.background.spawn(async move {
            // If nobody hears it, nobody waits there either.
            let _ = pubsub.send_letter(&to, letter).await;
        });
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut waiting = self.forwarder.waiting.lock();
        let unanswered = waiting.get_mut(&self.ticket.node).is_some_and(|waiting| waiting.remove(&self.id).is_some());
        drop(waiting);
        if unanswered {
            self.call_back();
        } else if let Ok(Answer::Messages(_)) = self.answer.try_recv() {
            // They came, and their client is gone.
            self.forwarder.lost(&self.ticket.node, self.ticket.session.as_str());
        }
    }
}
