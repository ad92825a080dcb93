//! The data of one topic, and the rules by which it changes: what the scripts do in Redis. Pure.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Reap, StoreError};
use crate::ids::NodeId;
use crate::presence::record::{Delta, Epoch, Position, Reading, Record, RecordId, Snapshot, Write, Written};

/// How many changes are kept for those who read.
const DELTAS: usize = 64;

/// How many records one reaping drops.
const REAPED: usize = 512;

/// One topic.
#[derive(Debug, Clone)]
pub(in crate::presence) struct Ledger {
    epoch: Epoch,
    version: u64,
    records: HashMap<RecordId, Record>,
    complete: HashSet<NodeId>,
    deltas: VecDeque<Delta>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            epoch: Epoch::random(),
            version: 0,
            records: HashMap::new(),
            complete: HashSet::new(),
            deltas: VecDeque::new(),
        }
    }
}

impl Ledger {
    pub(in crate::presence) fn write(&mut self, write: &Write) -> Result<Written, StoreError> {
        let Write { node, epoch, complete, delta, claims } = write;
        if epoch.as_ref().is_some_and(|epoch| *epoch != self.epoch) {
            return Err(StoreError::OtherEpoch);
        }
        let mut done = Delta::default();
        if epoch.is_none() && !self.complete.contains(node) {
            // Left over from a life in which this node's last words were lost.
            let put: HashSet<&RecordId> = delta.put.iter().map(|record| &record.id).collect();
            done.drop = self.records.keys().filter(|id| id.node == *node && !put.contains(id)).cloned().collect();
        }
        done.drop.extend(delta.drop.iter().filter(|id| self.records.contains_key(*id)).cloned());
        let mut failed = Vec::new();
        for claim in claims {
            let lingers = RecordId::lingering(claim.clone());
            if self.records.contains_key(&lingers) {
                done.drop.push(lingers);
            } else if !self.records.contains_key(&RecordId { node: node.clone(), phx_ref: claim.clone() }) {
                failed.push(claim.clone());
            }
        }
        let put = delta.put.iter().filter(|record| record.until.is_some() || !failed.contains(&record.id.phx_ref));
        // Told again, a leave must not bring back what somebody has taken over meanwhile.
        let here = |record: &&Record| {
            let own = RecordId { node: node.clone(), phx_ref: record.id.phx_ref.clone() };
            record.until.is_none() || self.records.contains_key(&own) || self.records.contains_key(&record.id)
        };
        let put = put.filter(here);
        done.put = put.filter(|record| self.records.get(&record.id) != Some(record)).cloned().collect();
        let news = *complete && self.complete.insert(node.clone());
        self.change(done, news);
        Ok(Written { epoch: self.epoch.clone(), failed })
    }

    pub(in crate::presence) fn read(&self, since: Option<&Position>) -> Reading {
        let behind = since
            .filter(|position| position.epoch == self.epoch)
            .and_then(|position| self.version.checked_sub(position.version))
            .and_then(|behind| usize::try_from(behind).ok());
        match behind {
            Some(0) => Reading::Same,
            Some(behind) if behind <= self.deltas.len() => {
                let deltas = self.deltas.range(self.deltas.len() - behind..).cloned().collect();
                Reading::Deltas(self.version, deltas)
            }
            _ => Reading::Snapshot(self.snapshot()),
        }
    }

    pub(in crate::presence) fn snapshot(&self) -> Snapshot {
        Snapshot {
            position: Some(Position { epoch: self.epoch.clone(), version: self.version }),
            complete: self.complete.iter().cloned().collect(),
            records: self.records.values().cloned().collect(),
        }
    }

    /// Whether there is more to drop.
    pub(in crate::presence) fn reap(&mut self, node: &NodeId, why: Reap) -> bool {
        if why == Reap::Abandoned && self.complete.contains(node) {
            return false;
        }
        let mut ids = self.records.keys().filter(|id| id.node == *node).cloned();
        let drop: Vec<RecordId> = ids.by_ref().take(REAPED).collect();
        let more = ids.next().is_some();
        if !more {
            self.complete.remove(node);
        }
        self.change(Delta { drop, put: Vec::new() }, false);
        more
    }

    /// Drops what lingers and whose time has come.
    pub(in crate::presence) fn expire(&mut self, now: u64) {
        let due = |record: &&Record| record.until.is_some_and(|until| until <= now);
        let drop = self.records.values().filter(due).map(|record| record.id.clone()).collect();
        self.change(Delta { drop, put: Vec::new() }, false);
    }

    /// The data has been set back to what it was at some time: another life begins.
    #[cfg(test)]
    pub(in crate::presence) fn begin_epoch(&mut self) {
        self.epoch = Epoch::random();
        self.complete.clear();
        self.deltas.clear();
    }

    /// Whether anything is kept that somebody could miss.
    pub(in crate::presence) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn change(&mut self, delta: Delta, news: bool) {
        if delta.is_empty() && !news {
            return;
        }
        for id in &delta.drop {
            self.records.remove(id);
        }
        for record in &delta.put {
            self.records.insert(record.id.clone(), record.clone());
        }
        self.version += 1;
        self.deltas.push_back(delta);
        if self.deltas.len() > DELTAS {
            self.deltas.pop_front();
        }
    }
}
