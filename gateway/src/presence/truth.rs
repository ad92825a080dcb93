//! What this pod itself tracks in one topic, and what the store is still to be told of it. Pure.
//!
//! The pod owns this truth: the store can lose everything and is told again. Between two writes only the difference
//! counts, so track, update and untrack of one client collapse.

mod kept_back;
mod own;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem;

use serde_json::Value;

use super::error::PresenceError;
use super::limits::fits;
use own::Own;

use super::model::{Meta, PhxRef, TrackedMeta};
use super::record::{Delta, Epoch, Record, RecordId, Written};
use crate::ids::NodeId;
use crate::pubsub::SubscriberId;

const REF: &str = "phx_ref";
const PREVIOUS: &str = "phx_ref_prev";

type SlotId = (SubscriberId, Box<str>);

/// The truth about one topic. There is a slot for each client of the topic on this pod, so ordered trees: they keep few bytes
/// beside what they hold, where a map of maps would cost a kilobyte for each client.
#[derive(Debug, Default)]
pub(super) struct Truth {
    slots: BTreeMap<SlotId, Slot>,
    /// Who has a slot under a key.
    owners: BTreeSet<(Box<str>, SubscriberId)>,
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
    shown: Option<Box<Own>>,
    /// The state of a client that has left, which lingers in the store; until when, once that was said.
    left: Option<Box<(Own, Option<u64>)>>,
    /// A state that lingers in the store and is taken over.
    claim: Option<PhxRef>,
    /// Not told yet: it may turn out to be the return of somebody whose leave is not known here yet.
    kept_back: bool,
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
        let to_tell = || self.slots.values().any(|slot| !slot.kept_back);
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
        let slot = self.slots.entry((owner, key.into())).or_default();
        if slot.now.is_some() {
            return Err(PresenceError::AlreadyTracked);
        }
        self.owners.insert((key.into(), owner));
        slot.left = None;
        slot.claim = former.as_ref().map(|former| former.phx_ref().clone());
        slot.kept_back = may_leave && former.is_none() && slot.stored.is_empty();
        let kept_back = slot.kept_back;
        let own = match former {
            Some(former) => Own::returned(&former, meta),
            None => {
                meta.remove(PREVIOUS);
                Own::new(PhxRef::random(), &meta)
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
        let same = free.iter().position(|former| Own::returned(former, meta.clone()).phx_ref == *former.phx_ref());
        if free.is_empty() { None } else { Some(free.swap_remove(same.unwrap_or(0))) }
    }

    fn claims(&self, key: &str, phx_ref: &PhxRef) -> bool {
        let owners = self.owners.range((key.into(), SubscriberId::MIN)..=(key.into(), SubscriberId::MAX));
        let mut slots = owners.filter_map(|(key, owner)| self.slots.get(&(*owner, key.clone())));
        slots.any(|slot| slot.claim.as_ref() == Some(phx_ref) || slot.stored.contains(phx_ref))
    }

    pub(super) fn update(
        &mut self,
        owner: SubscriberId,
        key: &str,
        change: impl FnOnce(&Meta) -> Meta,
    ) -> Result<PhxRef, PresenceError> {
        let id = (owner, key.into());
        let slot = self.slots.get_mut(&id).ok_or(PresenceError::NotTracked)?;
        let own = slot.now.as_ref().ok_or(PresenceError::NotTracked)?;
        let mut old = own.meta();
        let told = old.get(PREVIOUS).cloned();
        old.insert(REF.into(), own.phx_ref.as_str().into());
        let mut meta = checked(key, change(&old))?;
        // What nobody can have seen yet is no predecessor.
        let seen = slot.stored.contains(&own.phx_ref) || slot.claim.as_ref() == Some(&own.phx_ref);
        let seen = seen.then(|| Value::from(own.phx_ref.as_str()));
        if let Some(previous) = seen.or(told) {
            meta.insert(PREVIOUS.into(), previous);
        }
        let phx_ref = PhxRef::random();
        let former = slot.now.replace(Own::new(phx_ref.clone(), &meta));
        slot.shown = former.filter(|own| slot.stored.contains(&own.phx_ref)).map(Box::new).or(slot.shown.take());
        if !slot.kept_back {
            self.dirty.insert(id);
        }
        Ok(phx_ref)
    }

    /// Whether it was tracked.
    pub(super) fn untrack(&mut self, owner: SubscriberId, key: &str) -> bool {
        let id = (owner, key.into());
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        let was_tracked = slot.now.take().is_some();
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
        let (mut keys, mut count) = (Vec::new(), 0);
        let first = (owner, Box::default());
        for ((_, key), slot) in self.slots.range_mut(first..).take_while(|((of, _), _)| *of == owner) {
            if linger {
                slot.linger();
            }
            count += usize::from(slot.left.is_some());
            keys.push(key.clone());
        }
        count + keys.iter().filter(|key| self.untrack(owner, key)).count()
    }

    /// Untracks everything. How many there were.
    pub(super) fn end_all(&mut self, linger: bool) -> usize {
        let owners: BTreeSet<SubscriberId> = self.slots.keys().map(|(owner, _)| *owner).collect();
        owners.into_iter().map(|owner| self.end(owner, linger)).sum()
    }

    /// What the store is to be told now: everything, unless it is known to be in the same epoch. `clock` is its time, and
    /// `grace` how long what is left behind lingers.
    pub(super) fn begin(&mut self, node: &NodeId, clock: u64, grace: u64) -> Batch {
        let ids: Vec<SlotId> = if self.epoch.is_some() {
            mem::take(&mut self.dirty).into_iter().collect()
        } else {
            self.dirty = HashSet::new();
            self.slots.iter().filter(|(_, slot)| !slot.kept_back).map(|(id, _)| id.clone()).collect()
        };
        let id = |phx_ref: &PhxRef| RecordId { node: node.clone(), phx_ref: phx_ref.clone() };
        let (delta, sent) = (Delta::default(), Vec::with_capacity(ids.len()));
        let mut batch = Batch { delta, claims: Vec::new(), sent, doubts: self.doubts };
        for slot_id in ids {
            let Some(slot) = self.slots.get_mut(&slot_id) else { continue };
            let now = slot.now.as_ref().map(|own| own.phx_ref.clone());
            batch.delta.drop.extend(slot.stored.iter().filter(|stored| Some(*stored) != now.as_ref()).map(id));
            let key = slot_id.1.clone();
            if let Some((left, until)) = slot.left.as_deref_mut() {
                let id = RecordId::lingering(left.phx_ref.clone());
                let until = *until.get_or_insert(clock + grace);
                // Told too late, it would come back from where others have dropped it.
                if clock < until {
                    batch.delta.put.push(Record { id, key: key.clone(), meta: left.text(), until: Some(until) });
                }
            }
            if let Some(own) = &slot.now {
                match &slot.claim {
                    Some(claim) if *claim == own.phx_ref => batch.claims.push(claim.clone()),
                    Some(claim) => batch.delta.drop.push(RecordId::lingering(claim.clone())),
                    None => {}
                }
                batch.delta.put.push(Record { id: id(&own.phx_ref), key, meta: own.text(), until: None });
                if !slot.stored.contains(&own.phx_ref) {
                    slot.stored.push(own.phx_ref.clone());
                }
            }
            let left = slot.left.as_ref().map(|left| left.0.phx_ref.clone());
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
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.stored = sent.filter(|sent| !failed.contains(sent)).map_or_else(Vec::new, |sent| vec![sent]);
            slot.left.take_if(|gone| Some(&gone.0.phx_ref) == left.as_ref());
            let lost = slot.claim.take_if(|claim| failed.contains(claim)).is_some();
            if let Some(own) = slot.now.as_mut().filter(|own| lost && failed.contains(&own.phx_ref)) {
                own.begin_anew();
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
        self.slots.retain(|_, slot| slot.now.is_some());
        for slot in self.slots.values_mut() {
            slot.stored.clear();
            (slot.left, slot.claim, slot.shown) = (None, None, None);
            if let Some(own) = &mut slot.now {
                own.begin_anew();
            }
        }
        self.owners = self.slots.keys().map(|(owner, key)| (key.clone(), *owner)).collect();
    }

    fn forget(&mut self, id: &SlotId) {
        self.slots.remove(id);
        self.owners.remove(&(id.1.clone(), id.0));
    }
}

impl Slot {
    /// The client has left: what others have seen of it stays for a while.
    fn linger(&mut self) {
        let seen = self.now.take_if(|own| self.stored.contains(&own.phx_ref));
        // Nobody could take over what was never told, but what was told before it.
        let shown = self.shown.take().filter(|own| self.stored.contains(&own.phx_ref));
        let seen = seen.or_else(|| shown.filter(|_| self.now.take().is_some()).map(|own| *own));
        self.left = seen.map(|own| Box::new((own, None))).or(self.left.take());
    }
}

/// A meta without the names that are ours.
fn checked(key: &str, mut meta: Meta) -> Result<Meta, PresenceError> {
    meta.remove(REF);
    meta.remove(PREVIOUS);
    if fits(key, &meta) { Ok(meta) } else { Err(PresenceError::TooLarge) }
}
