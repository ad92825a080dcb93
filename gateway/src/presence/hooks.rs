use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::diff::Diff;
use super::model::{Entry, State};

/// What an application adds to the presences of some topics. Methods must not wait, and must not call
/// [`Presence`](super::Presence) or drop a watch: the topic is locked meanwhile, so that would never end. A method that
/// panics is logged, and all goes on without it.
pub trait Hooks: Send + Sync {
    /// Adds fields beside `metas`. Runs once for each list or state that is made, and once for each of the two maps of a
    /// diff; must keep `metas` (checklist row 173).
    fn fetch(&self, _topic: &str, _entries: &mut BTreeMap<String, Entry>) {}

    /// Looks at each diff, with the state after it (checklist row 185).
    fn observe(&self, _topic: &str, _diff: &Diff, _state: &State) {}
}

/// A state with what the application adds.
pub(super) fn fetched(hooks: &dyn Hooks, topic: &str, state: &State) -> State {
    let mut fetched = state.clone();
    if guarded("fetch", topic, || hooks.fetch(topic, &mut fetched.0)) { fetched } else { state.clone() }
}

/// Shows the application a diff.
pub(super) fn observed(hooks: &dyn Hooks, topic: &str, diff: &Diff, state: &State) {
    guarded("observe", topic, || hooks.observe(topic, diff, state));
}

/// Whether it did not panic.
fn guarded(hook: &str, topic: &str, call: impl FnOnce()) -> bool {
    // What a panic leaves half done is given up.
    let done = catch_unwind(AssertUnwindSafe(call)).is_ok();
    if !done {
        tracing::error!(hook, topic, "a hook of presence panicked");
    }
    done
}
