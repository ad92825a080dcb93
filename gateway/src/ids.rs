//! Identities: short, random, one for each incarnation.

use std::fmt;
use std::sync::Arc;

use rand::RngExt;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Names one incarnation of a pod: a restarted pod has another. Ten characters, 50 bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A new random identity.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        Self((0..10).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect::<String>().into())
    }

    /// As it stands in keys, envelopes and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
