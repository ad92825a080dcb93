//! Clients of which nobody is told yet: the same client from before may be about to leave, and they take over from it.

use super::own::Own;
use super::{Former, Truth};
use crate::pubsub::SubscriberId;

impl Truth {
    /// Whether a client is kept back.
    pub(in crate::presence) fn keeps_back(&self, owner: SubscriberId, key: &str) -> bool {
        self.slots.get(&(owner, key.into())).is_some_and(|slot| slot.kept_back)
    }

    /// Tells of a client that is kept back, when somebody has left from whom it takes over, or nobody `may_leave` any more.
    /// Whether it is kept back no longer.
    pub(in crate::presence) fn settle(&mut self, owner: SubscriberId, key: &str, former: Former) -> bool {
        let Former { left, may_leave } = former;
        let id = (owner, key.into());
        let slot = self.slots.get(&id).filter(|slot| slot.kept_back);
        let former = slot.and_then(|slot| self.chosen(key, left, &slot.now.as_ref()?.meta()));
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.kept_back) else { return true };
        if former.is_none() && may_leave {
            return false;
        }
        slot.kept_back = false;
        if let Some(former) = former
            && let Some(own) = slot.now.take()
        {
            slot.claim = Some(former.phx_ref().clone());
            slot.now = Some(Own::returned(&former, own.meta()));
        }
        self.dirty.insert(id);
        true
    }

    /// Tells of all clients that are kept back.
    pub(in crate::presence) fn settle_all(&mut self) {
        for (id, slot) in &mut self.slots {
            if std::mem::take(&mut slot.kept_back) {
                self.dirty.insert(id.clone());
            }
        }
    }
}
