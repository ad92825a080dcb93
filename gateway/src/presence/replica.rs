//! What this pod knows of one topic, and how it follows the store. Pure.
//!
//! In one epoch the store is right. When the epoch changes, the store may have lost what live nodes had written: what this
//! replica holds of a node stays until that node has said all it has, or until it has had a lease's time for that
//! (ruling 18). So nobody sees a leave of somebody who is there.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::diff::{Changes, Diff};
use super::model::{PhxRef, State, TrackedMeta};
use super::record::{Delta, Epoch, Position, Reading, Record, Snapshot};
use crate::ids::NodeId;

/// The replica of one topic.
#[derive(Debug, Default)]
pub(super) struct Replica {
    position: Option<Position>,
    holders: HashMap<PhxRef, Holder>,
    /// The nodes of the holders, and how many each has. So holders share one text: there are few nodes and many holders, and
    /// to look through the few costs less than a hash.
    nodes: Vec<(NodeId, usize)>,
    state: State,
    /// Until when states linger whose clients have left.
    lingering: HashMap<PhxRef, u64>,
    /// Until when nodes are believed whose records the store may have lost.
    believed_until: Option<Instant>,
    /// Nodes that have records in the store and have not said, in this epoch, that these are all.
    unsure: HashSet<NodeId>,
    /// The epoch that held before the store was set back; somebody will begin another one.
    distrusted: Option<Epoch>,
    /// Those that have had their time to say it.
    abandoned: HashSet<NodeId>,
}

#[derive(Debug)]
struct Holder {
    node: NodeId,
    key: Box<str>,
}

impl Replica {
    /// What clients are to see.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The life of the data that this follows.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        self.position.as_ref().map(|position| &position.epoch)
    }

    /// When the first state that lingers goes, by the clock of the store.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.lingering.values().min().copied()
    }

    /// What lingers under a key: whoever comes back can take it over.
    pub(super) fn returnable(&self, key: &str) -> Vec<TrackedMeta> {
        if self.lingering.is_empty() {
            return Vec::new();
        }
        let metas = self.state.get(key).map_or(&[][..], |entry| &entry.metas);
        metas.iter().filter(|meta| self.lingering.contains_key(meta.phx_ref())).cloned().collect()
    }

    /// Since when to read; None: everything is needed.
    pub(super) fn since(&self) -> Option<&Position> {
        if self.believed_until.is_some() { None } else { self.position.as_ref() }
    }

    /// When to read again even if nothing is heard.
    pub(super) fn believed_until(&self) -> Option<Instant> {
        self.believed_until
    }

    /// Nodes that are dead, or would have repeated what they have: their records may be dropped from the store.
    pub(super) fn take_abandoned(&mut self) -> HashSet<NodeId> {
        std::mem::take(&mut self.abandoned)
    }

    /// The store has been set back to what it was at some time.
    pub(super) fn distrust(&mut self, now: Instant, patience: Duration) {
        if let Some(position) = &self.position {
            self.distrusted = Some(position.epoch.clone());
            self.believed_until = Some(now + patience);
        }
    }

    /// Whether the store may have lost something of what this holds, or is believed to have, since the last reading. To be
    /// asked before the reading is taken.
    pub(super) fn is_interrupted_by(&self, reading: &Reading) -> bool {
        let Reading::Snapshot(Snapshot { position, .. }) = reading else { return false };
        // Everything is also read of a topic that has just begun, and when more has changed than the store keeps changes.
        self.believed_until.is_some() || (!self.holders.is_empty() && !self.went_on(position.as_ref()))
    }

    /// Takes what the store has. `patience` is how long a node may take to repeat what the store has lost.
    pub(super) fn apply(&mut self, reading: Reading, now: Instant, patience: Duration) -> Diff {
        let mut changes = Changes::default();
        match reading {
            Reading::Same => {}
            Reading::Deltas(version, deltas) => {
                for delta in deltas {
                    self.follow(delta, &mut changes);
                }
                if let Some(position) = &mut self.position {
                    position.version = version;
                }
            }
            Reading::Snapshot(snapshot) => self.compare(snapshot, now, patience, &mut changes),
        }
        changes.finish(&self.state)
    }

    fn follow(&mut self, delta: Delta, changes: &mut Changes) {
        for id in delta.drop {
            if self.holders.get(&id.phx_ref).is_some_and(|holder| holder.node == id.node) {
                self.drop(&id.phx_ref, changes);
            }
        }
        for record in delta.put {
            self.put(record, changes);
        }
    }

    /// Brings the replica to a snapshot, but for nodes of which the store may have lost something: what they had written
    /// may be missing, or be an old state that they have left since.
    fn compare(&mut self, snapshot: Snapshot, now: Instant, patience: Duration, changes: &mut Changes) {
        let Snapshot { position, complete, records } = snapshot;
        let set_back = matches!((&self.position, &position), (Some(held), Some(read))
            if held.epoch == read.epoch && held.version > read.version);
        let believes = self.believes(position.as_ref(), now, patience);
        if !believes || position.as_ref().is_none_or(|read| self.distrusted.as_ref() != Some(&read.epoch)) {
            self.distrusted = None;
        }
        let set_back = set_back || self.distrusted.is_some();
        // What a store says that was set back, nobody has said: somebody will begin another epoch there.
        let complete: HashSet<NodeId> = if set_back { HashSet::new() } else { complete.into_iter().collect() };
        let (sure, unsure): (Vec<Record>, Vec<Record>) =
            records.into_iter().partition(|record| record.id.is_lingering() || complete.contains(&record.id.node));
        let present: HashSet<&PhxRef> = sure.iter().map(|record| &record.id.phx_ref).collect();
        let spared = |holder: &Holder| believes && !complete.contains(&holder.node);
        let gone = self.holders.iter().filter(|(phx_ref, holder)| !present.contains(phx_ref) && !spared(holder));
        let gone: Vec<PhxRef> = gone.map(|(phx_ref, _)| phx_ref.clone()).collect();
        for phx_ref in &gone {
            self.drop(phx_ref, changes);
        }
        let waits = self.holders.values().any(spared) || !unsure.is_empty();
        // What lingers may be a state that this replica has seen go already, in a store that was set back.
        let first = self.position.is_none();
        for record in sure {
            if first || !record.id.is_lingering() || self.holders.contains_key(&record.id.phx_ref) {
                self.put(record, changes);
            }
        }
        let unsure: HashSet<NodeId> = unsure.into_iter().map(|record| record.id.node).collect();
        self.abandoned = if self.believed_until.is_none() { &unsure & &self.unsure } else { HashSet::new() };
        self.unsure = unsure;
        self.position = position;
        self.believed_until = if waits { self.believed_until.or(Some(now + patience)) } else { None };
    }

    /// Whether nodes are believed now that the store may have lost something.
    fn believes(&mut self, position: Option<&Position>, now: Instant, patience: Duration) -> bool {
        if !self.went_on(position) {
            self.believed_until = Some(now + patience);
        }
        let believes = self.believed_until.is_some_and(|until| now < until);
        if !believes {
            self.believed_until = None;
        }
        believes
    }

    /// Whether the store's data is what it was, and what came behind it.
    fn went_on(&self, position: Option<&Position>) -> bool {
        match (&self.position, position) {
            (Some(held), Some(read)) => held.epoch == read.epoch && held.version <= read.version,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    fn put(&mut self, record: Record, changes: &mut Changes) {
        let Record { id, key, meta, until } = record;
        let node = self.hold(id.node);
        match until {
            Some(until) => self.lingering.insert(id.phx_ref.clone(), until),
            // Seldom does anything linger, and a table that is empty computes the hash all the same.
            None if self.lingering.is_empty() => None,
            None => self.lingering.remove(&id.phx_ref),
        };
        let vacant = match self.holders.entry(id.phx_ref.clone()) {
            Entry::Occupied(mut holder) => {
                // Somebody else keeps the same state of the same client from now on.
                let former = std::mem::replace(&mut holder.get_mut().node, node);
                self.release(&former);
                return;
            }
            Entry::Vacant(vacant) => vacant,
        };
        let Some(meta) = TrackedMeta::new(id.phx_ref, &meta) else {
            drop(vacant);
            self.release(&node);
            return;
        };
        let meta = changes.join(&key, meta);
        self.state.insert(&key, meta);
        vacant.insert(Holder { node, key });
    }

    /// One more of this node, in the one text that all its holders have.
    fn hold(&mut self, node: NodeId) -> NodeId {
        if let Some((known, count)) = self.nodes.iter_mut().find(|(known, _)| *known == node) {
            *count += 1;
            return known.clone();
        }
        self.nodes.push((node.clone(), 1));
        node
    }

    fn release(&mut self, node: &NodeId) {
        if let Some(index) = self.nodes.iter().position(|(known, _)| known == node) {
            self.nodes[index].1 -= 1;
            if self.nodes[index].1 == 0 {
                self.nodes.swap_remove(index);
            }
        }
    }

    fn drop(&mut self, phx_ref: &PhxRef, changes: &mut Changes) {
        let Some(holder) = self.holders.remove(phx_ref) else { return };
        if !self.lingering.is_empty() {
            self.lingering.remove(phx_ref);
        }
        self.release(&holder.node);
        if let Some(meta) = self.state.remove(&holder.key, phx_ref) {
            changes.leave(&holder.key, meta);
        }
    }
}
