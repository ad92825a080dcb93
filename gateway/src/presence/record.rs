//! What stands in a store: the records of a topic, and how they change.

use std::fmt;
use std::sync::Arc;

use super::model::{PhxRef, State, TrackedMeta};
use crate::ids::NodeId;

/// Names the life of a topic's data: another epoch means that something may have been lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Epoch(Arc<str>);

impl Epoch {
    pub(super) fn random() -> Self {
        Self(PhxRef::random().as_str().into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Epoch {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A point in the life of a topic's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: Epoch,
    pub(super) version: u64,
}

/// Names one record: who wrote it, and which state of which client it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RecordId {
    pub(super) node: NodeId,
    pub(super) phx_ref: PhxRef,
}

impl RecordId {
    /// From the field of a hash.
    pub(super) fn parse(field: &str) -> Option<Self> {
        let (node, phx_ref) = field.split_once(':')?;
        Some(Self { node: node.into(), phx_ref: phx_ref.into() })
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.phx_ref)
    }
}

/// One tracked client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) id: RecordId,
    pub(super) key: Box<str>,
    /// The text of an object without `phx_ref`.
    pub(super) meta: Box<str>,
    /// When it goes, if nobody takes it over: its client has left. By the clock of the store, in milliseconds.
    pub(super) until: Option<u64>,
}

/// Who is present by these records.
pub(super) fn state_of(records: Vec<Record>) -> State {
    let mut state = State::default();
    for record in records {
        if let Some(meta) = TrackedMeta::new(record.id.phx_ref, &record.meta) {
            state.insert(&record.key, meta);
        }
    }
    state
}

/// The node of records whose clients have left and may come back: they belong to the topic, not to a pod.
const LINGERING: &str = "~";

impl RecordId {
    /// The name that stands for the node of what lingers.
    pub(super) fn topic_itself() -> NodeId {
        LINGERING.into()
    }

    /// Of a state whose client has left.
    pub(super) fn lingering(phx_ref: PhxRef) -> Self {
        Self { node: LINGERING.into(), phx_ref }
    }

    /// Whether its client has left.
    pub(super) fn is_lingering(&self) -> bool {
        Self::belongs_to_topic(&self.node)
    }

    /// Whether this is no node, but the name for what belongs to the topic.
    pub(super) fn belongs_to_topic(node: &NodeId) -> bool {
        node.as_str() == LINGERING
    }
}

/// How many records one write puts, when all of a pod's are told again.
const CHUNK: usize = 512;

/// One change of a topic: what is dropped, then what is put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Delta {
    pub(super) drop: Vec<RecordId>,
    pub(super) put: Vec<Record>,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.put.is_empty()
    }

    /// Splits what is told again, when it is `everything`; changes stay together, so that an update is one diff, and what
    /// is left behind follows its client. Whether each part is the last.
    pub(super) fn chunks(&self, everything: bool) -> Vec<(Self, bool)> {
        if !everything || self.put.len() <= CHUNK {
            return vec![(self.clone(), everything)];
        }
        let (left, here): (Vec<_>, Vec<_>) = self.put.iter().cloned().partition(|record| record.id.is_lingering());
        let mut here = here.chunks(CHUNK);
        let put = [&left, here.next().unwrap_or_default()].concat();
        let mut parts = vec![Self { drop: self.drop.clone(), put }];
        parts.extend(here.map(|put| Self { drop: Vec::new(), put: put.to_vec() }));
        let last = parts.len() - 1;
        parts.into_iter().enumerate().map(|(index, part)| (part, index == last)).collect()
    }
}

/// What one node wants to change.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) node: NodeId,
    /// The epoch in which all records of this node stand; a store in another one takes nothing. Without: this is, or
    /// begins, all that the node has in this topic.
    pub(super) epoch: Option<Epoch>,
    /// With this the store has all that the node has in the topic.
    pub(super) complete: bool,
    pub(super) delta: Delta,
    /// Which of the records that are put are taken over from the topic, where they linger: once, by one node.
    pub(super) claims: Vec<PhxRef>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// The epoch in which it was done.
    pub(super) epoch: Epoch,
    /// Claims on what does not linger any more: those records were not put.
    pub(super) failed: Vec<PhxRef>,
}

/// What a store has since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing new.
    Same,
    /// What has changed.
    Deltas(u64, Vec<Delta>),
    /// Everything, because the changes are not known.
    Snapshot(Snapshot),
}

impl Reading {
    /// Leaves out what lingers although its time has come, because nobody was there to drop it. Whether there was some.
    pub(super) fn leave_out_expired(&mut self, now: u64) -> bool {
        let Self::Snapshot(snapshot) = self else { return false };
        let all = snapshot.records.len();
        snapshot.records.retain(|record| record.until.is_none_or(|until| now < until));
        snapshot.records.len() < all
    }
}

/// All that a store has of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    /// Absent when the store knows nothing of the topic.
    pub(super) position: Option<Position>,
    /// The nodes that have said all they have in this epoch.
    pub(super) complete: Vec<NodeId>,
    pub(super) records: Vec<Record>,
}
