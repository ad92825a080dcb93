use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::types::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::page::{Limit, Page, Raw};
use super::position::{EMPTY_LIFE, Epoch, Position, Retention};
use super::store::{Read, Reading, Store, StoreUnavailable};
use crate::redis::{Keys, Script, Settings};

/// How many readings are under way at a time: after an outage all topics of a pod are read.
const READINGS: usize = 64;

/// How long a reading waits for others to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// The streams of pods that share a Redis.
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    keys: Keys,
    read: Script,
    readings: Semaphore,
}

impl Redis {
    /// Reads by a client that somebody else connects.
    pub fn new(settings: &Settings, client: Client) -> Self {
        let read = Script::new(include_str!("../redis/scripts/history_read.lua"));
        let (keys, readings) = (Keys::new(&settings.prefix), Semaphore::new(READINGS));
        Self(Arc::new(Inner { client, keys, read, readings }))
    }
}

impl Inner {
    async fn page(&self, topic: &str, read: Read) -> Result<Option<Page<Raw>>, StoreUnavailable> {
        let permit = timeout(PATIENCE, self.readings.acquire()).await;
        let _permit = permit.map_err(|_| StoreUnavailable)?.map_err(|_| StoreUnavailable)?;
        let Read { after, epoch, limit: Limit { messages, bytes }, renew } = read;
        let fresh = renew.map(|_| Epoch::random());
        let life = renew.as_ref().map_or(0, |retention: &Retention| count(retention.life().as_millis()));
        let arguments: Vec<Value> = vec![
            epoch.as_ref().map_or("", Epoch::as_str).into(),
            after.to_string().into(),
            count(messages).into(),
            count(bytes).into(),
            fresh.as_ref().map_or("", Epoch::as_str).into(),
            life.into(),
            count(EMPTY_LIFE.as_millis()).into(),
        ];
        let keys = vec![self.keys.history_position(topic), self.keys.history(topic)];
        let reply = self.read.run(&self.client, keys, arguments).await.map_err(|error| {
            tracing::debug!(%error, "a history cannot be read");
            StoreUnavailable
        })?;
        page(reply.into_array())
    }
}

fn page(reply: Vec<Value>) -> Result<Option<Page<Raw>>, StoreUnavailable> {
    let mut reply = reply.into_iter();
    let Some(epoch) = reply.next() else { return Ok(None) };
    let epoch = Epoch::from(epoch.as_str().ok_or(StoreUnavailable)?.as_ref());
    let offset = number(reply.next()).ok_or(StoreUnavailable)?;
    let first = number(reply.next());
    let mut messages = Vec::new();
    while let (Some(offset), Some(message)) = (number(reply.next()), reply.next()) {
        let bytes: Bytes = message.convert().map_err(|_| StoreUnavailable)?;
        messages.push(Raw { offset, bytes });
    }
    Ok(Some(Page { position: Position { epoch, offset }, first, messages }))
}

fn number(value: Option<Value>) -> Option<u64> {
    value?.as_str()?.parse().ok()
}

fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

impl Store for Redis {
    fn read(&self, topic: &Arc<str>, read: Read) -> Reading {
        let (inner, topic) = (self.0.clone(), topic.clone());
        Box::pin(async move { inner.page(&topic, read).await })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{Fixture, suite};
    use super::*;
    use crate::lifecycle::Tasks;
    use crate::redis::testing::RedisServer;
    use crate::redis::{client, stay_connected};

    /// Goes before its server.
    struct Keep(Tasks, #[expect(dead_code, reason = "it ends when it is dropped")] RedisServer);

    impl Drop for Keep {
        fn drop(&mut self) {
            self.0.stop();
        }
    }

    async fn fixture() -> Fixture {
        let (server, tasks) = (RedisServer::start(), Tasks::new());
        let settings = Settings::new(&server.url(), "test").unwrap();
        let client = client(&settings.location).unwrap();
        tasks.spawn(stay_connected(client.clone(), tasks.stopped()));
        let store = Arc::new(Redis::new(&settings, client.clone()));
        let script = Arc::new(Script::new(include_str!("../redis/scripts/history_publish.lua")));
        let append = move |topic: &str, retention: Retention, message: Bytes| {
            let (client, keys, script) = (client.clone(), Keys::new("test"), script.clone());
            let keys = vec![keys.history_position(topic), keys.history(topic), keys.broadcast(topic)];
            let arguments = vec![
                "PUBLISH".into(),
                message.into(),
                Epoch::random().as_str().into(),
                i64::from(retention.size()).into(),
                count(retention.ttl().as_millis()).into(),
                count(retention.life().as_millis()).into(),
            ];
            Box::pin(async move {
                assert_eq!(script.run(&client, keys, arguments).await.unwrap().as_i64(), Some(1));
            }) as _
        };
        Fixture { store, append: Box::new(append), _keep: Box::new(Keep(tasks, server)) }
    }

    suite!(fixture());

    #[tokio::test(start_paused = true)]
    async fn a_reading_does_not_wait_for_others_for_ever() {
        let settings = Settings::new("redis://127.0.0.1:1", "test").unwrap();
        let store = Redis::new(&settings, client(&settings.location).unwrap());
        let _others = store.0.readings.acquire_many(READINGS as u32).await.unwrap();
        let read = Read { after: 0, epoch: None, limit: Limit { messages: 1, bytes: 1 }, renew: None };
        assert!(matches!(store.read(&"t".into(), read).await, Err(StoreUnavailable)));
    }
}
