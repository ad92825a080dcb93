use crate::presence::{Presence, Watch};
use crate::pubsub::SubscriberId;

/// A channel's part in the presences of its topic. When it goes, whatever the channel has tracked goes too: also what a
/// callback tracked while its channel was ending.
#[derive(Debug)]
pub(crate) struct Present {
    pub(super) watch: Watch,
    presence: Presence,
    owner: SubscriberId,
    /// The state is to come right behind the answer to the join, so that no diff can precede it.
    pub(crate) state_follows_reply: bool,
}

impl Present {
    pub(super) fn new(presence: Presence, watch: Watch, owner: SubscriberId) -> Self {
        Self { watch, presence, owner, state_follows_reply: false }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.presence.untrack_all(self.owner);
    }
}
