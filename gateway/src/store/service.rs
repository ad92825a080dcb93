use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::engine::Engine;
use super::error::{Failure, OpenError, StoreError};
use super::health::Health;
use super::ids::Ids;
use super::location::Location;
use super::metrics::{Ending, Metrics, Operation};
use super::migrate::check_schema;
use super::model::{Archived, Insertion, Member, NewMessage, Row, storable};
use super::timestamp::Timestamp;
use crate::lifecycle::Tasks;

/// How long a call may take. With the three seconds of a broadcast behind it a push is answered before phoenix.js gives up.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a database that is needed at start may take to answer, and how long to wait between two questions.
const START_LIMIT: Duration = Duration::from_secs(10);
const START_PAUSE: Duration = Duration::from_millis(250);

/// How many rows one call reads at most.
const MAX_ROWS: u32 = 1000;

/// The database. Clones share everything.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    health: Health,
    metrics: Metrics,
    ids: Ids,
}

impl Store {
    /// Opens a database that has the tables of this version; waits some seconds for one that does not answer. A task looks
    /// after it until `tasks` stops.
    ///
    /// # Errors
    /// When it does not answer, or has not the tables.
    pub(crate) async fn open(location: Location, metrics: Metrics, tasks: &Tasks) -> Result<Self, OpenError> {
        let begun = Instant::now();
        loop {
            match check_schema(&location).await {
                Ok(()) => break,
                Err(OpenError::Unavailable(_)) if begun.elapsed() < START_LIMIT => {
                    tokio::time::sleep(START_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        let (health, ids) = (Health::new(metrics.clone()), Ids::new());
        let store = Self(Arc::new(Inner { engine: Engine::new(location, LIMIT), health, metrics, ids }));
        let watched = store.clone();
        tasks.spawn_until_stop(async move { watched.look_after().await });
        Ok(store)
    }

    /// Stores a message that is about to be broadcast, unless its sender has sent it before.
    ///
    /// # Errors
    /// When the database does not answer in time; the message may be stored then.
    pub async fn archive(&self, message: NewMessage<'_>) -> Result<Insertion, StoreError> {
        message.check()?;
        let now = Timestamp::now();
        let row = Row { id: self.0.ids.next(now), inserted_at: now, message };
        self.call(Operation::Archive, self.0.engine.insert(&row)).await
    }

    /// The messages of a topic, the newest first: those before `before`, at most `limit` and never more than 1,000.
    ///
    /// # Errors
    /// When the database does not answer in time.
    pub async fn archived(&self, topic: &str, before: Option<Uuid>, limit: u32) -> Result<Vec<Archived>, StoreError> {
        storable([topic].into_iter())?;
        self.call(Operation::ReadArchive, self.0.engine.page(topic, before, limit.min(MAX_ROWS))).await
    }

    /// What a member of a topic is; none for who is no member.
    ///
    /// # Errors
    /// When the database does not answer in time.
    pub async fn role(&self, topic: &str, user: &str) -> Result<Option<String>, StoreError> {
        storable([topic, user].into_iter())?;
        self.call(Operation::LookUpMember, self.0.engine.role(topic, user)).await
    }

    /// Adds a member to a topic, or gives one another role.
    ///
    /// # Errors
    /// When the database does not answer in time; it may have happened then.
    pub async fn add_member(&self, topic: &str, user: &str, role: &str) -> Result<Member, StoreError> {
        storable([topic, user, role].into_iter())?;
        self.call(Operation::EditMembers, self.0.engine.add_member(topic, user, role, Timestamp::now())).await
    }

    /// Takes a member away; whether there was one. Who is in the topic stays there until the next join or renewal.
    ///
    /// # Errors
    /// When the database does not answer in time; it may have happened then.
    pub async fn remove_member(&self, topic: &str, user: &str) -> Result<bool, StoreError> {
        storable([topic, user].into_iter())?;
        self.call(Operation::EditMembers, self.0.engine.remove_member(topic, user)).await
    }

    /// The members of a topic in the order of their names' bytes: those after `after`, at most `limit` and never more than
    /// 1,000.
    ///
    /// # Errors
    /// When the database does not answer in time.
    pub async fn members(&self, topic: &str, after: Option<&str>, limit: u32) -> Result<Vec<Member>, StoreError> {
        let after = after.unwrap_or_default();
        storable([topic, after].into_iter())?;
        self.call(Operation::ListMembers, self.0.engine.members(topic, after, limit.min(MAX_ROWS))).await
    }

    /// Every call goes through here: it is bounded, counted, and tells how the database is.
    async fn call<T>(
        &self,
        operation: Operation,
        asking: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        let Inner { health, metrics, .. } = &*self.0;
        let begun = Instant::now();
        if health.is_away() {
            metrics.observe(operation, Ending::Shed, begun.elapsed());
            return Err(StoreError::Unavailable);
        }
        let outcome = bounded(asking).await;
        let ending = if outcome.is_ok() { Ending::Ok } else { Ending::Failed };
        metrics.observe(operation, ending, begun.elapsed());
        outcome.map_err(|failure| {
            health.failed(&failure);
            StoreError::Unavailable
        })
    }

    /// Notices that the database goes away, and that it is back. Only this tells that it is back: calls that began before
    /// it went may still end well.
    async fn look_after(&self) {
        loop {
            self.0.health.due().await;
            match bounded(self.0.engine.ping()).await {
                Ok(()) => self.0.health.answered(),
                Err(failure) => self.0.health.failed(&failure),
            }
        }
    }
}

/// Gives a call up after a while; its connection is closed then.
async fn bounded<T>(asking: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failure> {
    timeout(LIMIT, asking).await.map_err(|_| Failure::Timeout)?.map_err(Failure::from)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("away", &self.0.health.is_away()).finish_non_exhaustive()
    }
}
