use std::collections::HashMap;

use serde::Serialize;

use super::model::{PhxRef, State, TrackedMeta};

/// Who came and who went; serialized it is the payload of `presence_diff`. An update is both.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diff {
    /// Who came, or came to be something else.
    pub joins: State,
    /// Who went, or is something else now.
    pub leaves: State,
}

impl Diff {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.leaves.is_empty()
    }
}

/// Collects changes into one diff: what comes and goes meanwhile does not appear in it.
#[derive(Default)]
pub(super) struct Changes {
    joined: Vec<(PhxRef, Box<str>)>,
    left: HashMap<PhxRef, (Box<str>, TrackedMeta)>,
}

impl Changes {
    /// Somebody came; the meta to show for it, which is the former one if it was there before these changes.
    pub(super) fn join(&mut self, key: &str, meta: TrackedMeta) -> TrackedMeta {
        if !self.left.is_empty()
            && let Some((_, former)) = self.left.remove(meta.phx_ref())
        {
            return former;
        }
        self.joined.push((meta.phx_ref().clone(), key.into()));
        meta
    }

    /// Somebody went.
    pub(super) fn leave(&mut self, key: &str, meta: TrackedMeta) {
        match self.joined.iter().rposition(|(phx_ref, _)| phx_ref == meta.phx_ref()) {
            Some(index) => {
                self.joined.remove(index);
            }
            None => {
                self.left.insert(meta.phx_ref().clone(), (key.into(), meta));
            }
        }
    }

    /// The diff, given the state after the changes.
    pub(super) fn finish(self, state: &State) -> Diff {
        let mut diff = Diff::default();
        for (phx_ref, key) in self.joined {
            let metas = state.get(&key).map_or(&[][..], |entry| &entry.metas);
            if let Some(meta) = metas.iter().rfind(|meta| *meta.phx_ref() == phx_ref) {
                diff.joins.insert(&key, meta.clone());
            }
        }
        for (key, meta) in self.left.into_values() {
            diff.leaves.insert(&key, meta);
        }
        diff
    }
}
