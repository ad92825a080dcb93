use std::fmt;

use serde_json::value::RawValue;

use super::json::{is_string, read_string};

/// The longest topic, event or reference in bytes: what the one-byte sizes of a binary frame can carry.
pub const MAX_NAME: usize = 255;

/// The topic of a message as it came: a string, or any other JSON value, which matches no channel but is echoed as sent
/// (protocol 2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A topic that a channel may be found for.
    Text(Box<str>),
    /// The JSON text of something that is not a string.
    Other(Box<str>),
}

impl Name {
    /// The topic, unless it is not a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    pub(super) fn from_raw(raw: &RawValue) -> Option<Self> {
        if is_string(raw) { read_string(raw).map(Self::Text) } else { Some(Self::Other(raw.get().into())) }
    }

    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => super::json::write_string(out, text),
            Self::Other(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    /// The bytes for a length-prefixed field.
    pub(super) fn bare(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Other(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Other(text) => f.write_str(text),
        }
    }
}
