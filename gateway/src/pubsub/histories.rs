//! The histories of all topics, hosted here or not.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::backend::Inbound;
use super::envelope;
use super::error::Unavailable;
use crate::history::{Page, Policy, Raw, Read, Store, Stored};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;

/// How often each kind of complaint is made.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// What is needed to know the histories of topics.
pub(super) struct Histories {
    pub(super) policy: Policy,
    pub(super) store: Arc<dyn Store>,
    /// Of this pod: whose subscribers may be left out.
    pub(super) node: NodeId,
    /// Absent when the store answers at once.
    pub(super) tasks: Option<Tasks>,
    /// When it was last complained about a loss.
    lost: Complaint,
    /// And about a message that is in no history.
    unkept: Complaint,
}

/// When something was last complained about.
#[derive(Default)]
struct Complaint(Mutex<Option<Instant>>);

impl Complaint {
    /// Whether to do so now.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock();
        let due = last.is_none_or(|last| last.elapsed() >= COMPLAINTS);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

impl Histories {
    pub(super) fn new(policy: Policy, store: Arc<dyn Store>, node: NodeId, tasks: Option<Tasks>) -> Self {
        Self { policy, store, node, tasks, lost: Complaint::default(), unkept: Complaint::default() }
    }

    /// Complains about a loss, unless it was just done: a flush ends the epochs of all topics.
    pub(super) fn complain(&self, topic: &str) {
        if self.lost.is_due() {
            tracing::warn!(topic, "messages of a topic with history were missed and cannot be had any more");
        }
    }

    /// Complains about a message that was delivered and is in no history, unless it was just done.
    pub(super) fn complain_unkept(&self, topic: &str, node: &NodeId) {
        if self.unkept.is_due() {
            let node = node.as_str();
            tracing::warn!(topic, node, "a pod that does not know that the topic keeps a history published a message");
        }
    }

    /// Reads messages for whoever asks, whether the topic is hosted here or not. None when there never were any.
    pub(super) fn page(
        &self,
        topic: &Arc<str>,
        read: Read,
    ) -> impl Future<Output = Result<Option<Page>, Unavailable>> + Send + 'static + use<> {
        let (reading, topic, node) = (self.store.read(topic, read), topic.clone(), self.node.clone());
        async move {
            let Some(page) = reading.await.map_err(|_| Unavailable)? else { return Ok(None) };
            let Page { position, first, messages } = page;
            let stored = |raw: Raw| {
                // What a newer version has written is not for this one.
                let Inbound { event, payload, .. } = envelope::decode(&topic, &raw.bytes, &node).ok()?;
                Some(Stored { offset: raw.offset, event: event.into(), payload })
            };
            Ok(Some(Page { position, first, messages: messages.into_iter().filter_map(stored).collect() }))
        }
    }
}
