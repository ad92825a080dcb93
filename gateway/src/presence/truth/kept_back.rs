//! Clients of which nobody is told yet: the same client from before may be about to leave, and they take over from it.

use super::{Former, Truth, returned};
use crate::pubsub::SubscriberId;

impl Truth {
    /// Whether a client is kept back.
    pub(in crate::presence) fn keeps_back(&self, owner: SubscriberId, key: &str) -> bool {
        self.slots.get(&owner).and_then(|keys| keys.get(key)).is_some_and(|slot| slot.kept_back)
    }

    /// Tells of a client that is kept back, when somebody has left from whom it takes over, or nobody `may_leave` any more.
    /// Whether it is kept back no longer.
    pub(in crate::presence) fn settle(&mut self, owner: SubscriberId, key: &str, former: Former) -> bool {
        let Former { left, may_leave } = former;
        let slot = self.slots.get(&owner).and_then(|keys| keys.get(key)).filter(|slot| slot.kept_back);
        let former = slot.and_then(|slot| self.chosen(key, left, &slot.now.as_ref()?.meta));
        let slot = self.slots.get_mut(&owner).and_then(|keys| keys.get_mut(key));
        let Some(slot) = slot.filter(|slot| slot.kept_back) else { return true };
        if former.is_none() && may_leave {
            return false;
        }
        slot.kept_back = false;
        if let Some(former) = former
            && let Some(own) = slot.now.take()
        {
            slot.claim = Some(former.phx_ref().clone());
            slot.now = Some(returned(&former, own.meta));
        }
        self.dirty.insert((owner, key.into()));
        true
    }

    /// Tells of all clients that are kept back.
    pub(in crate::presence) fn settle_all(&mut self) {
        for (owner, keys) in &mut self.slots {
            for (key, slot) in keys {
                if std::mem::take(&mut slot.kept_back) {
                    self.dirty.insert((*owner, key.clone()));
                }
            }
        }
    }
}
