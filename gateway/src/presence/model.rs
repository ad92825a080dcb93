use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ids::NodeId;

/// What an application says about one tracked client. `phx_ref` and `phx_ref_prev` in it are ignored.
pub type Meta = Map<String, Value>;

/// Names one state of one tracked client, among all pods and for ever: 16 url-safe characters, as Phoenix has.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhxRef(Arc<str>);

impl PhxRef {
    /// A new one: 96 random bits.
    pub(super) fn random() -> Self {
        let bytes: [u8; 12] = rand::rng().random();
        Self(URL_SAFE_NO_PAD.encode(bytes).into())
    }

    /// As it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PhxRef {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for PhxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PhxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One meta as clients get it: an object that holds its `phx_ref`, kept as JSON text. Clones share it.
#[derive(Debug, Clone)]
pub struct TrackedMeta {
    phx_ref: PhxRef,
    json: Arc<RawValue>,
}

impl TrackedMeta {
    /// Adds the reference to the text of an object, which must not hold one. None: it is no object.
    pub(super) fn new(phx_ref: PhxRef, object: &str) -> Option<Self> {
        let fields = object.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let comma = if fields.is_empty() { "" } else { "," };
        let text = ["{", fields, comma, r#""phx_ref":""#, phx_ref.as_str(), r#""}"#].concat();
        let json = RawValue::from_string(text).ok()?;
        Some(Self { phx_ref, json: json.into() })
    }

    /// The reference that it holds.
    pub fn phx_ref(&self) -> &PhxRef {
        &self.phx_ref
    }

    /// The object as JSON text.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// The object, parsed; with `phx_ref`.
    pub fn to_map(&self) -> Meta {
        // It was checked to be an object when it was made.
        serde_json::from_str(self.json.get()).unwrap_or_default()
    }
}

impl Serialize for TrackedMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (*self.json).serialize(serializer)
    }
}

/// All that is tracked under one key of a topic.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// One for each tracked client, oldest first as far as this pod knows.
    pub metas: Vec<TrackedMeta>,
    /// What stands beside `metas`, from the fetch hook. A field named `metas` is ignored.
    pub extra: Map<String, Value>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("metas", &self.metas)?;
        for (name, value) in self.extra.iter().filter(|(name, _)| *name != "metas") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Who is present in a topic, by key; serialized it is the payload of `presence_state`, and each half of a
/// `presence_diff`.
#[derive(Debug, Clone, Default)]
pub struct State(pub BTreeMap<String, Entry>);

impl State {
    /// What is tracked under a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Whether nobody is present.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys and metas there are.
    pub fn counts(&self) -> Counts {
        Counts { keys: self.0.len(), metas: self.0.values().map(|entry| entry.metas.len()).sum() }
    }

    pub(super) fn insert(&mut self, key: &str, meta: TrackedMeta) {
        match self.0.get_mut(key) {
            Some(entry) => entry.metas.push(meta),
            None => {
                self.0.insert(key.to_owned(), Entry { metas: vec![meta], extra: Map::new() });
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str, phx_ref: &PhxRef) -> Option<TrackedMeta> {
        let entry = self.0.get_mut(key)?;
        let index = entry.metas.iter().position(|meta| meta.phx_ref == *phx_ref)?;
        let meta = entry.metas.remove(index);
        if entry.metas.is_empty() {
            self.0.remove(key);
        }
        Some(meta)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

/// How many are present in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Users, as far as keys are users.
    pub keys: usize,
    /// Tracked clients.
    pub metas: usize,
}

/// One pod that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Names one incarnation of it.
    pub id: NodeId,
    /// How long its lease still lasts unless it is renewed. None in embedded mode, where nothing ends it.
    pub lease: Option<Duration>,
    /// Whether it is the one that says so.
    pub is_self: bool,
    /// What it tells of itself.
    pub about: About,
}

/// What a pod tells the others of itself, in its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// How many connections it has; None for one that takes no clients now, or does not tell.
    pub connections: Option<u64>,
    /// The newest version of messages between pods that it can read; those that don't tell read the first.
    pub envelope: u8,
}

impl Default for About {
    fn default() -> Self {
        Self { connections: None, envelope: 1 }
    }
}

/// Asked whenever the lease is renewed.
pub type Describe = Arc<dyn Fn() -> About + Send + Sync>;

/// What the leases said when they were last read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// The other pods that live.
    pub others: Vec<About>,
    /// Some may live that are not among them: Redis was away of late, has lost data, or this pod has just come.
    pub doubtful: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_carries_its_reference() {
        let meta = TrackedMeta::new("r1".into(), r#"{"name":"u1"}"#).unwrap();
        assert_eq!(meta.json(), r#"{"name":"u1","phx_ref":"r1"}"#);
        assert_eq!(TrackedMeta::new("r1".into(), "{}").unwrap().json(), r#"{"phx_ref":"r1"}"#);
        assert!(TrackedMeta::new("r1".into(), "[]").is_none());
        assert!(TrackedMeta::new("r1".into(), "{]}").is_none());
        assert_eq!(meta.to_map()["name"], "u1");
    }

    #[test]
    fn a_state_is_written_as_clients_read_it() {
        let mut state = State::default();
        assert_eq!(serde_json::to_string(&state).unwrap(), "{}");
        state.insert("u1", TrackedMeta::new("r1".into(), "{}").unwrap());
        state.insert("u1", TrackedMeta::new("r2".into(), "{}").unwrap());
        state.0.get_mut("u1").unwrap().extra.insert("name".into(), "Eve".into());
        let text = r#"{"u1":{"metas":[{"phx_ref":"r1"},{"phx_ref":"r2"}],"name":"Eve"}}"#;
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
        assert_eq!(state.counts(), Counts { keys: 1, metas: 2 });
        assert!(state.remove("u1", &"r1".into()).is_some());
        assert!(state.remove("u1", &"r1".into()).is_none());
        assert!(state.remove("u1", &"r2".into()).is_some());
        assert!(state.is_empty());
    }

    #[test]
    fn references_look_like_those_of_phoenix() {
        let phx_ref = PhxRef::random();
        assert_eq!(phx_ref.as_str().len(), 16);
        assert_ne!(phx_ref, PhxRef::random());
    }
}
