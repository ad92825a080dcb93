//! What this pod itself tracks in one topic, and what the store is still to be told of it. Pure.
//!
//! The pod owns this truth: the store can lose everything and is told again. Between two writes only the difference
//! counts, so track, update and untrack of one client collapse.

mod kept_back;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::error::PresenceError;
use super::limits::fits;
use super::model::{Meta, PhxRef, TrackedMeta};
use super::record::{Delta, Epoch, Record, RecordId, Written};
use crate::ids::NodeId;
use crate::pubsub::SubscriberId;

const REF: &str = "phx_ref";
const PREVIOUS: &str = "phx_ref_prev";

/// Since when a client has been there; who comes back has been there all along.
const SINCE: &str = "online_at";

type SlotId = (SubscriberId, Box<str>);

/// The truth about one topic.
#[derive(Debug, Default)]
pub(super) struct Truth {
    slots: HashMap<SubscriberId, HashMap<Box<str>, Slot>>,
    /// Who has a slot under a key.
    owners: HashMap<Box<str>, HashSet<SubscriberId>>,
    dirty: HashSet<SlotId>,
    /// The epoch in which the store has everything of this pod but what is dirty.
    pub(super) epoch: Option<Epoch>,
    /// How often that was doubted.
    doubts: u64,
}

/// Who is there under a key when a client comes, and may be the same client from before.
#[derive(Debug, Default)]
pub(super) struct Former {
    /// What lingers: one of it is taken over.
    pub(super) left: Vec<TrackedMeta>,
    /// Whether somebody is there whose leave may be on its way.
    pub(super) may_leave: bool,
}

/// One client under one key.
#[derive(Debug, Default)]
struct Slot {
    now: Option<Own>,
    /// States that may stand in the store.
    stored: Vec<PhxRef>,
    /// The last of them, while a newer one is still to be told.
    shown: Option<Own>,
    /// The state of a client that has left, which lingers in the store; until when, once that was said.
    left: Option<(Own, Option<u64>)>,
    /// A state that lingers in the store and is taken over.
    claim: Option<PhxRef>,
    /// Not told yet: it may turn out to be the return of somebody whose leave is not known here yet.
    kept_back: bool,
}

#[derive(Debug)]
struct Own {
    phx_ref: PhxRef,
    /// Without `phx_ref`.
    meta: Meta,
}

/// What one write tells the store.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) delta: Delta,
    pub(super) claims: Vec<PhxRef>,
    sent: Vec<Sent>,
    /// The doubts before it.
    doubts: u64,
}

/// What a batch says of one slot.
#[derive(Debug)]
struct Sent {
    id: SlotId,
    now: Option<PhxRef>,
    left: Option<PhxRef>,
}

impl Truth {
    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the store is still to be told something.
    pub(super) fn is_dirty(&self) -> bool {
        let to_tell = || self.slots.values().flat_map(HashMap::values).any(|slot| !slot.kept_back);
        !self.dirty.is_empty() || (self.epoch.is_none() && to_tell())
    }

    /// Tracks a client. It is kept back until [`Truth::settle`] if whom it could take over from may be about to leave.
    pub(super) fn track(
        &mut self,
        owner: SubscriberId,
        key: &str,
        meta: Meta,
        former: Former,
    ) -> Result<PhxRef, PresenceError> {
        let mut meta = checked(key, meta)?;
        let Former { left, may_leave } = former;
        let former = self.chosen(key, left, &meta);
        let slot = self.slots.entry(owner).or_default().entry(key.into()).or_default();
        if slot.now.is_some() {
            return Err(PresenceError::AlreadyTracked);
        }
        self.owners.entry(key.into()).or_default().insert(owner);
        slot.left = None;
        slot.claim = former.as_ref().map(|former| former.phx_ref().clone());
        slot.kept_back = may_leave && former.is_none() && slot.stored.is_empty();
        let kept_back = slot.kept_back;
        let own = match former {
            Some(former) => returned(&former, meta),
            None => {
                meta.remove(PREVIOUS);
                Own { phx_ref: PhxRef::random(), meta }
            }
        };
        let phx_ref = own.phx_ref.clone();
        slot.now = Some(own);
        if !kept_back {
            self.dirty.insert((owner, key.into()));
        }
        Ok(phx_ref)
    }

    /// Whom a client takes over: of several devices that come back, each is to be what it was.
    fn chosen(&self, key: &str, left: Vec<TrackedMeta>, meta: &Meta) -> Option<TrackedMeta> {
        let mut free = left;
        free.retain(|former| !self.claims(key, former.phx_ref()));
        let same = free.iter().position(|former| returned(former, meta.clone()).phx_ref == *former.phx_ref());
        if free.is_empty() { None } else { Some(free.swap_remove(same.unwrap_or(0))) }
    }

    fn claims(&self, key: &str, phx_ref: &PhxRef) -> bool {
        let owners = self.owners.get(key).into_iter().flatten();
        let mut slots = owners.filter_map(|owner| self.slots.get(owner)?.get(key));
        slots.any(|slot| slot.claim.as_ref() == Some(phx_ref) || slot.stored.contains(phx_ref))
    }

    pub(super) fn update(
        &mut self,
        owner: SubscriberId,
        key: &str,
        change: impl FnOnce(&Meta) -> Meta,
    ) -> Result<PhxRef, PresenceError> {
        let slot = self.slots.get_mut(&owner).and_then(|keys| keys.get_mut(key)).ok_or(PresenceError::NotTracked)?;
        let own = slot.now.as_ref().ok_or(PresenceError::NotTracked)?;
        let mut old = own.meta.clone();
        old.insert(REF.into(), own.phx_ref.as_str().into());
        let mut meta = checked(key, change(&old))?;
        // What nobody can have seen yet is no predecessor.
        let seen = slot.stored.contains(&own.phx_ref) || slot.claim.as_ref() == Some(&own.phx_ref);
        let seen = seen.then(|| Value::from(own.phx_ref.as_str()));
        if let Some(previous) = seen.or_else(|| own.meta.get(PREVIOUS).cloned()) {
            meta.insert(PREVIOUS.into(), previous);
        }
        let phx_ref = PhxRef::random();
        let former = slot.now.replace(Own { phx_ref: phx_ref.clone(), meta });
        slot.shown = former.filter(|own| slot.stored.contains(&own.phx_ref)).or(slot.shown.take());
        if !slot.kept_back {
            self.dirty.insert((owner, key.into()));
        }
        Ok(phx_ref)
    }

    /// Whether it was tracked.
    pub(super) fn untrack(&mut self, owner: SubscriberId, key: &str) -> bool {
        let Some(slot) = self.slots.get_mut(&owner).and_then(|keys| keys.get_mut(key)) else { return false };
        let was_tracked = slot.now.take().is_some();
        let id = (owner, key.into());
        // Nothing that it claimed has been taken: it goes when its time comes.
        (slot.claim, slot.shown) = (None, None);
        slot.kept_back = false;
        if slot.stored.is_empty() {
            self.forget(&id);
            self.dirty.remove(&id);
        } else {
            self.dirty.insert(id);
        }
        was_tracked
    }

    /// Untracks everything of an owner, which is gone; with `linger` its states stay in the store for a while. How many
    /// there were.
    pub(super) fn end(&mut self, owner: SubscriberId, linger: bool) -> usize {
        if linger && let Some(keys) = self.slots.get_mut(&owner) {
            for slot in keys.values_mut() {
                let seen = slot.now.take_if(|own| slot.stored.contains(&own.phx_ref));
                // Nobody could take over what was never told, but what was told before it.
                let shown = slot.shown.take().filter(|own| slot.stored.contains(&own.phx_ref));
                let seen = seen.or_else(|| shown.filter(|_| slot.now.take().is_some()));
                slot.left = seen.map(|own| (own, None)).or(slot.left.take());
            }
        }
        let keys: Vec<Box<str>> = self.slots.get(&owner).map_or_else(Vec::new, |keys| keys.keys().cloned().collect());
        let left = |slot: &Slot| usize::from(slot.left.is_some());
        let count: usize = self.slots.get(&owner).map_or(0, |keys| keys.values().map(left).sum());
        count + keys.iter().filter(|key| self.untrack(owner, key)).count()
    }

    /// Untracks everything. How many there were.
    pub(super) fn end_all(&mut self, linger: bool) -> usize {
        let owners: Vec<SubscriberId> = self.slots.keys().copied().collect();
        owners.into_iter().map(|owner| self.end(owner, linger)).sum()
    }

    /// What the store is to be told now: everything, unless it is known to be in the same epoch. `clock` is its time, and
    /// `grace` how long what is left behind lingers.
    pub(super) fn begin(&mut self, node: &NodeId, clock: u64, grace: u64) -> Batch {
        let ids: Vec<SlotId> = if self.epoch.is_some() {
            self.dirty.drain().collect()
        } else {
            self.dirty.clear();
            let all =
                self.slots.iter().flat_map(|(owner, keys)| keys.iter().map(move |(key, slot)| (owner, key, slot)));
            all.filter(|(.., slot)| !slot.kept_back).map(|(owner, key, _)| (*owner, key.clone())).collect()
        };
        let id = |phx_ref: &PhxRef| RecordId { node: node.clone(), phx_ref: phx_ref.clone() };
        let (delta, sent) = (Delta::default(), Vec::with_capacity(ids.len()));
        let mut batch = Batch { delta, claims: Vec::new(), sent, doubts: self.doubts };
        for slot_id in ids {
            let Some(slot) = self.slots.get_mut(&slot_id.0).and_then(|keys| keys.get_mut(&slot_id.1)) else { continue };
            let now = slot.now.as_ref().map(|own| own.phx_ref.clone());
            batch.delta.drop.extend(slot.stored.iter().filter(|stored| Some(*stored) != now.as_ref()).map(id));
            let key = slot_id.1.clone();
            if let Some((left, until)) = &mut slot.left {
                let id = RecordId::lingering(left.phx_ref.clone());
                let until = *until.get_or_insert(clock + grace);
                // Told too late, it would come back from where others have dropped it.
                if clock < until {
                    batch.delta.put.push(Record { id, key: key.clone(), meta: text(&left.meta), until: Some(until) });
                }
            }
            if let Some(own) = &slot.now {
                match &slot.claim {
                    Some(claim) if *claim == own.phx_ref => batch.claims.push(claim.clone()),
                    Some(claim) => batch.delta.drop.push(RecordId::lingering(claim.clone())),
                    None => {}
                }
                batch.delta.put.push(Record { id: id(&own.phx_ref), key, meta: text(&own.meta), until: None });
                if !slot.stored.contains(&own.phx_ref) {
                    slot.stored.push(own.phx_ref.clone());
                }
            }
            let left = slot.left.as_ref().map(|(left, _)| left.phx_ref.clone());
            batch.sent.push(Sent { id: slot_id, now, left });
        }
        batch
    }

    /// The store has taken a batch, but for claims that failed: somebody else was faster, or it was too late.
    pub(super) fn taken(&mut self, batch: Batch, written: Written) {
        let Written { epoch, failed } = written;
        // What was lost meanwhile may be what this batch has told.
        if batch.doubts == self.doubts {
            self.epoch = Some(epoch);
        }
        for Sent { id, now: sent, left } in batch.sent {
            let Some(slot) = self.slots.get_mut(&id.0).and_then(|keys| keys.get_mut(&id.1)) else { continue };
            slot.stored = sent.into_iter().filter(|sent| !failed.contains(sent)).collect();
            slot.left.take_if(|(own, _)| Some(&own.phx_ref) == left.as_ref());
            let lost = slot.claim.take_if(|claim| failed.contains(claim)).is_some();
            if let Some(own) = slot.now.as_mut().filter(|own| lost && failed.contains(&own.phx_ref)) {
                own.phx_ref = PhxRef::random();
                own.meta.remove(PREVIOUS);
                self.dirty.insert(id.clone());
            }
            if slot.now.as_ref().is_some_and(|own| slot.stored.contains(&own.phx_ref)) {
                (slot.claim, slot.shown) = (None, None);
            }
            if slot.now.is_none() && slot.stored.is_empty() && slot.left.is_none() {
                self.forget(&id);
                self.dirty.remove(&id);
            }
        }
    }

    /// Nobody knows whether the store has taken a batch: it is to be told again.
    pub(super) fn refused(&mut self, batch: Batch) {
        self.dirty.extend(batch.sent.into_iter().map(|sent| sent.id));
    }

    /// The store is in this epoch, if it knows the topic: in another one than it was told in, it has lost something, and
    /// nobody may have noticed.
    pub(super) fn found(&mut self, epoch: Option<&Epoch>) {
        if self.epoch.is_some() && self.epoch.as_ref() != epoch {
            self.doubt();
        }
    }

    /// The store may have lost what it was told.
    pub(super) fn doubt(&mut self) {
        self.epoch = None;
        self.doubts += 1;
    }

    /// The others have taken this pod for dead and dropped all it had: everything begins anew, under new references.
    pub(super) fn rebirth(&mut self) {
        self.doubt();
        self.dirty.clear();
        for keys in self.slots.values_mut() {
            keys.retain(|_, slot| slot.now.is_some());
            for slot in keys.values_mut() {
                slot.stored.clear();
                (slot.left, slot.claim, slot.shown) = (None, None, None);
                if let Some(own) = &mut slot.now {
                    own.phx_ref = PhxRef::random();
                    own.meta.remove(PREVIOUS);
                }
            }
        }
        self.slots.retain(|_, keys| !keys.is_empty());
        for (key, owners) in &mut self.owners {
            owners.retain(|owner| self.slots.get(owner).is_some_and(|keys| keys.contains_key(key)));
        }
        self.owners.retain(|_, owners| !owners.is_empty());
    }

    fn forget(&mut self, (owner, key): &SlotId) {
        if let Some(keys) = self.slots.get_mut(owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.slots.remove(owner);
            }
        }
        if let Some(owners) = self.owners.get_mut(key) {
            owners.remove(owner);
            if owners.is_empty() {
                self.owners.remove(key);
            }
        }
    }
}

/// A client that came back: if it says what it said, nothing has changed.
fn returned(former: &TrackedMeta, mut meta: Meta) -> Own {
    let mut old = former.to_map();
    old.remove(REF);
    if let Some(since) = old.get(SINCE) {
        meta.insert(SINCE.into(), since.clone());
    }
    let previous = old.remove(PREVIOUS);
    if old == meta {
        old.extend(previous.map(|previous| (PREVIOUS.to_owned(), previous)));
        return Own { phx_ref: former.phx_ref().clone(), meta: old };
    }
    meta.insert(PREVIOUS.into(), former.phx_ref().as_str().into());
    Own { phx_ref: PhxRef::random(), meta }
}

fn text(meta: &Meta) -> Box<str> {
    // Strings and values alone: that cannot fail.
    serde_json::to_string(meta).unwrap_or_else(|_| "{}".into()).into()
}

/// A meta without the names that are ours.
fn checked(key: &str, mut meta: Meta) -> Result<Meta, PresenceError> {
    meta.remove(REF);
    meta.remove(PREVIOUS);
    if fits(key, &meta) { Ok(meta) } else { Err(PresenceError::TooLarge) }
}
