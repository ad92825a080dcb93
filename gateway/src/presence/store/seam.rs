use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

use crate::ids::NodeId;
use crate::presence::model::{Census, Node};
use crate::presence::record::{Position, Reading, Record, Write, Written};

/// Work that is not done yet.
pub(in crate::presence) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::presence) enum StoreError {
    /// It is away. Whether it has done it is not known.
    #[error("the store is away")]
    Unavailable,
    /// The topic is in another epoch: everything is to be told again.
    #[error("the store may have lost something")]
    OtherEpoch,
    /// The writer's lease has ended: others may have taken it for dead.
    #[error("the lease has ended")]
    Expired,
}

/// Why records are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::presence) enum Reap {
    /// The node is dead.
    Dead,
    /// The node has had its time to say what it has; spared if it just did.
    Abandoned,
    /// It lingers, and its time has come; what has still time is spared.
    Expired,
}

/// Keeps the records of all pods, by topic.
pub(in crate::presence) trait Store: Send + Sync {
    /// The time by the clock of the store, in milliseconds.
    fn now(&self) -> u64;

    /// The name under which this pod writes.
    fn node(&self) -> NodeId;

    /// Changes a topic, all or nothing; the same again changes nothing more. What became of it.
    fn write<'a>(&'a self, topic: &'a str, write: &'a Write) -> Work<'a, Written>;

    /// What has changed since a position; without one, everything.
    fn read<'a>(&'a self, topic: &'a str, since: Option<&'a Position>) -> Work<'a, Reading>;

    /// The records of all live nodes.
    fn list<'a>(&'a self, topic: &'a str) -> Work<'a, Vec<Record>>;

    /// Drops some records of a node: of a dead one, or of one that has not said in this epoch what it has; or of what
    /// lingers, which has a name of its own. Whether there are more.
    fn reap<'a>(&'a self, topic: &'a str, node: &'a NodeId, why: Reap) -> Work<'a, bool>;

    /// This pod has nothing more in the topic.
    fn vacate<'a>(&'a self, topic: &'a str) -> Work<'a, ()>;

    /// The nodes that live.
    fn nodes(&self) -> Work<'_, Vec<Node>>;

    /// What the leases of the others say, whenever they are read. None where there are no others.
    fn census(&self) -> Option<watch::Receiver<Census>> {
        None
    }

    /// Gives up this pod's lease: it has nothing more anywhere.
    fn close(&self) -> Work<'_, ()>;

    /// Reports changes of the topic from now on. Either that is so when it returns, with true, or the events tell later;
    /// in both cases they tell it again after each interruption.
    fn subscribe(&self, topic: &str) -> bool;

    /// Whether changes are reported, as far as the last heartbeat knows; if not, topics are polled.
    fn hears(&self) -> bool;

    /// For how long nothing could be heard of the topic; None: it can.
    fn outage(&self, topic: &str) -> Option<Duration>;

    /// Reports no more changes of the topic.
    fn unsubscribe(&self, topic: &str);
}

/// Hears what a [`Store`] reports. No method waits.
pub(in crate::presence) trait Events: Send + Sync {
    /// The topic has changed, or may have.
    fn changed(&self, topic: &str);

    /// Changes may have gone unreported: all topics are to be read again, a few at a time.
    fn deaf(&self);

    /// Time has passed: whoever waits for it should look.
    fn beat(&self);

    /// The store may have lost what this pod told it. `set_back`: it holds what was true at some time, too.
    fn lost(&self, set_back: bool);

    /// This pod was taken for dead; it has another name now.
    fn reborn(&self);
}
