//! What the Presence class of phoenix.js does with frames (protocol.md 5.4), and complains about what it should not see.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

/// Metas by key, each as (`phx_ref`, JSON).
pub(super) type Seen = BTreeMap<String, Vec<Value>>;

/// One simulated client.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) state: Option<Seen>,
    /// All references that were ever shown to it.
    known: HashSet<String>,
}

impl Client {
    /// Takes a `presence_state`: after each join.
    pub(super) fn sync_state(&mut self, payload: &Value) {
        let state = metas(payload);
        self.known.extend(state.values().flatten().map(phx_ref));
        self.state = Some(state);
    }

    /// Takes a `presence_diff`.
    pub(super) fn sync_diff(&mut self, payload: &Value) {
        let state = self.state.as_mut().expect("a diff must not come before the state");
        for (key, joined) in metas(&payload["joins"]) {
            for meta in &joined {
                assert!(self.known.insert(phx_ref(meta)), "a reference is shown twice: {meta}");
            }
            state.entry(key).or_default().extend(joined);
        }
        for (key, left) in metas(&payload["leaves"]) {
            let held = state.get_mut(&key).unwrap_or_else(|| panic!("a leave of {key}, whom the client does not hold"));
            for meta in left {
                let index = held.iter().position(|held| phx_ref(held) == phx_ref(&meta));
                held.remove(index.unwrap_or_else(|| panic!("a leave of {meta}, which the client does not hold")));
            }
            if held.is_empty() {
                state.remove(&key);
            }
        }
    }

    /// Whom it shows, in an order that can be compared.
    pub(super) fn shown(&self) -> Seen {
        sorted(self.state.clone().unwrap_or_default())
    }
}

/// The metas of a state, sorted.
pub(super) fn sorted(mut seen: Seen) -> Seen {
    for metas in seen.values_mut() {
        metas.sort_by_key(phx_ref);
    }
    seen
}

/// The metas of a payload.
pub(super) fn metas(payload: &Value) -> Seen {
    let entries = payload.as_object().expect("an object");
    entries.iter().map(|(key, entry)| (key.clone(), entry["metas"].as_array().expect("metas").clone())).collect()
}

fn phx_ref(meta: &Value) -> String {
    meta["phx_ref"].as_str().expect("every meta has a reference").to_owned()
}
