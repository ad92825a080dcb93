use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::page::{Page, Raw};
use super::position::{EMPTY_LIFE, Epoch, Position, Retention};
use super::store::{Read, Reading, Store};

/// How many locks the streams are spread over.
const SHARDS: usize = 16;

/// After how many messages and renewals of a shard it is looked through for streams that have expired.
const SWEEP: usize = 256;

/// The streams of one pod alone. Every reading is ready at once.
#[derive(Default)]
pub struct Memory(Arc<Inner>);

struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Topics that are hosted: their positions are not forgotten. Locked last.
    hosted: Mutex<HashSet<Arc<str>>>,
}

#[derive(Default)]
struct Shard {
    streams: HashMap<Arc<str>, Stream>,
    used: usize,
}

struct Stream {
    position: Position,
    messages: VecDeque<Bytes>,
    /// When the messages go.
    expires: Instant,
    /// When the position is forgotten, unless the topic is hosted.
    forgotten: Instant,
}

/// A topic that nobody else appends to while this exists.
pub struct Appending<'a> {
    shard: MutexGuard<'a, Shard>,
    hosted: &'a Mutex<HashSet<Arc<str>>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), hosted: Mutex::default() }
    }
}

impl Memory {
    /// No streams yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers where a topic is until it is not hosted any more.
    pub fn host(&self, topic: &Arc<str>) {
        self.0.hosted.lock().insert(topic.clone());
    }

    /// The topic is not hosted any more.
    pub fn unhost(&self, topic: &str) {
        self.0.hosted.lock().remove(topic);
    }

    /// Locks a topic, so that what is appended can be delivered in the same order.
    pub fn appending(&self, topic: &str) -> Appending<'_> {
        Appending { shard: self.0.shard(topic).lock(), hosted: &self.0.hosted }
    }
}

impl Appending<'_> {
    /// Appends a message. Where the stream is then.
    pub fn append(&mut self, topic: &Arc<str>, retention: Retention, message: Bytes) -> Position {
        let now = Instant::now();
        let stream = self.shard.stream(topic, self.hosted, now);
        stream.position.offset += 1;
        stream.forgotten = now + retention.life();
        stream.messages.push_back(message);
        let size = usize::try_from(retention.size()).unwrap_or(usize::MAX);
        while stream.messages.len() > size {
            stream.messages.pop_front();
        }
        stream.expires = now + retention.ttl();
        stream.position.clone()
    }
}

impl Inner {
    fn shard(&self, topic: &str) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(topic);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    fn page(&self, topic: &Arc<str>, read: &Read) -> Option<Page<Raw>> {
        let now = Instant::now();
        let mut shard = self.shard(topic).lock();
        let stream = match read.renew {
            Some(retention) => {
                let stream = shard.stream(topic, &self.hosted, now);
                stream.forgotten = now + if stream.position.offset == 0 { EMPTY_LIFE } else { retention.life() };
                stream
            }
            None => shard.streams.get_mut(topic)?,
        };
        stream.expire(now);
        Some(stream.page(read))
    }
}

impl Shard {
    /// The stream of a topic, which begins if there is none.
    fn stream(&mut self, topic: &Arc<str>, hosted: &Mutex<HashSet<Arc<str>>>, now: Instant) -> &mut Stream {
        self.used += 1;
        if self.used.is_multiple_of(SWEEP) {
            let hosted = hosted.lock();
            self.streams.retain(|topic, stream| {
                stream.expire(now);
                now < stream.forgotten || hosted.contains(topic)
            });
        }
        if self.streams.get(topic).is_some_and(|stream| stream.forgotten <= now) && !hosted.lock().contains(topic) {
            self.streams.remove(topic);
        }
        let stream = self.streams.entry(topic.clone()).or_insert_with(|| Stream::begin(now));
        stream.expire(now);
        stream
    }
}

impl Stream {
    fn begin(now: Instant) -> Self {
        let position = Position { epoch: Epoch::random(), offset: 0 };
        Self { position, messages: VecDeque::new(), expires: now, forgotten: now }
    }

    fn expire(&mut self, now: Instant) {
        if self.expires <= now {
            self.messages = VecDeque::new();
        }
    }

    fn page(&self, read: &Read) -> Page<Raw> {
        let position = self.position.clone();
        let same = read.epoch.as_ref().is_none_or(|epoch| *epoch == position.epoch);
        let after = if same { read.after } else { 0 };
        let first = position.offset + 1 - self.messages.len() as u64;
        let skipped = usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let mut messages: Vec<Raw> = Vec::new();
        let mut bytes = 0;
        for (message, offset) in self.messages.iter().zip(first..).skip(skipped).take(read.limit.messages) {
            bytes += message.len();
            if bytes > read.limit.bytes && !messages.is_empty() {
                break;
            }
            messages.push(Raw { offset, bytes: message.clone() });
        }
        Page { position, first: (!self.messages.is_empty()).then_some(first), messages }
    }
}

impl Store for Memory {
    fn read(&self, topic: &Arc<str>, read: Read) -> Reading {
        Box::pin(std::future::ready(Ok(self.0.page(topic, &read))))
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl fmt::Debug for Appending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appending").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::contract::{Fixture, suite};
    use super::super::page::Limit;
    use super::*;

    async fn fixture() -> Fixture {
        let memory = Memory::new();
        let store = Arc::new(memory.clone());
        let append = move |topic: &str, retention, message| {
            memory.appending(topic).append(&topic.into(), retention, message);
            Box::pin(std::future::ready(())) as _
        };
        Fixture { store, append: Box::new(append), _keep: Box::new(()) }
    }

    suite!(fixture());

    fn position(memory: &Memory, topic: &str) -> Option<Position> {
        let limit = Limit { messages: 1, bytes: 1 };
        memory.0.page(&topic.into(), &Read { after: 0, epoch: None, limit, renew: None }).map(|page| page.position)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_hosted_is_forgotten_in_the_end() {
        let (memory, retention) = (Memory::new(), Retention::new(10, Duration::from_secs(1)));
        let append = |topic: &str| memory.appending(topic).append(&topic.into(), retention, Bytes::new());
        memory.host(&"hosted".into());
        let (hosted, forgotten) = (append("hosted"), append("forgotten"));
        tokio::time::advance(retention.life() + Duration::from_secs(1)).await;
        assert_eq!(append("hosted"), Position { offset: 2, ..hosted });
        assert_ne!(append("forgotten").epoch, forgotten.epoch);
        tokio::time::advance(retention.life() + Duration::from_secs(1)).await;
        for number in 0..SHARDS * SWEEP * 2 {
            append(&(number % 1000).to_string());
        }
        assert_eq!(position(&memory, "forgotten"), None);
        assert!(position(&memory, "hosted").is_some());
        memory.unhost("hosted");
        for number in 0..SHARDS * SWEEP * 2 {
            append(&(number % 1000).to_string());
        }
        assert_eq!(position(&memory, "hosted"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn topics_that_were_merely_looked_at_are_forgotten_soon() {
        let (memory, retention) = (Memory::new(), Retention::new(10, Duration::from_secs(24 * 3600)));
        let limit = Limit { messages: 1, bytes: 1 };
        let join = |topic: &str| {
            let renew = Read { after: u64::MAX, epoch: None, limit, renew: Some(retention) };
            memory.0.page(&topic.into(), &renew).unwrap().position
        };
        let count = || memory.0.shards.iter().map(|shard| shard.lock().streams.len()).sum::<usize>();
        memory.host(&"hosted".into());
        let (hosted, spoken) = (join("hosted"), join("spoken"));
        memory.appending("spoken").append(&"spoken".into(), retention, Bytes::new());
        for number in 0..SHARDS * SWEEP * 2 {
            join(&format!("invented {number}"));
        }
        tokio::time::advance(EMPTY_LIFE).await;
        for number in 0..SHARDS * SWEEP * 4 {
            join(&(number % 1000).to_string());
        }
        assert_eq!(count(), 1002, "joins sweep, too");
        assert_eq!(join("hosted"), hosted);
        assert_eq!(join("spoken"), Position { offset: 1, ..spoken });
    }
}
