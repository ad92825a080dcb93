use std::collections::BTreeMap;

use super::diff::Diff;
use super::model::{Entry, State};

/// What an application adds to the presences of some topics. Methods must not wait: the topic stands still meanwhile.
pub trait Hooks: Send + Sync {
    /// Adds fields beside `metas`. Runs once for each list or state that is made, and once for each of the two maps of a
    /// diff; must keep `metas` (checklist row 173).
    fn fetch(&self, _topic: &str, _entries: &mut BTreeMap<String, Entry>) {}

    /// Looks at each diff, with the state after it (checklist row 185).
    fn observe(&self, _topic: &str, _diff: &Diff, _state: &State) {}
}
