use std::sync::Arc;

use super::client::ChannelKey;
use crate::wire::Ref;

/// What names one joined channel: here, and in every frame to its client. Made once for each join, and shared by all who
/// need it, since each copy of a name costs every idle connection.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) key: ChannelKey,
    /// The join came without a join reference.
    is_anonymous: bool,
    pub(crate) topic: Arc<str>,
    push_ref: Ref,
}

impl Seat {
    /// `reference` is that of the join itself.
    pub(crate) fn new(key: ChannelKey, topic: impl Into<Arc<str>>, join_ref: Ref, reference: &Ref) -> Arc<Self> {
        let is_anonymous = join_ref.is_null();
        let push_ref = if is_anonymous { reference.clone() } else { join_ref };
        Arc::new(Self { key, is_anonymous, topic: topic.into(), push_ref })
    }

    /// The same channel in another topic.
    pub(super) fn moved_to(&self, topic: &str) -> Arc<Self> {
        let Self { key, is_anonymous, topic: _, push_ref } = self;
        Arc::new(Self { key: *key, is_anonymous: *is_anonymous, topic: topic.into(), push_ref: push_ref.clone() })
    }

    /// As the join carried it: the end of the channel repeats it.
    pub(crate) fn join_ref(&self) -> &Ref {
        if self.is_anonymous { &Ref::Null } else { &self.push_ref }
    }

    /// What pushes and replies carry: the join reference, or the join's own reference when that was null (row 116).
    pub(crate) fn push_ref(&self) -> &Ref {
        &self.push_ref
    }
}
