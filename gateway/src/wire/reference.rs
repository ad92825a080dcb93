use serde_json::value::RawValue;

use super::json::{is_string, read_string};

/// A `ref` or `join_ref`: an opaque JSON value that is echoed with the type it came with and compared strictly, so that
/// `0`, `"0"`, `""` and `null` are four different references (protocol 2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Ref {
    /// JSON `null`, or absent.
    #[default]
    Null,
    /// A JSON string, unescaped.
    Text(Box<str>),
    /// The JSON text of a number or of anything else.
    Json(Box<str>),
}

impl Ref {
    /// Whether no reference was given.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Length in bytes of what a binary frame would carry.
    pub fn len(&self) -> usize {
        self.bare().len()
    }

    /// Whether a binary frame would carry nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reference of a broadcast that tells its offset, or none. The letter keeps it apart from the references of
    /// heartbeats, which are decimal numbers, in all clients that were looked at (protocol 7.5).
    pub(super) fn of_offset(offset: Option<u64>) -> Self {
        offset.map_or(Self::Null, |offset| Self::Text(format!("o:{offset}").into()))
    }

    pub(super) fn from_raw(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            "null" => Some(Self::Null),
            _ if is_string(raw) => read_string(raw).map(Self::Text),
            json => Some(Self::Json(json.into())),
        }
    }

    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Text(text) => super::json::write_string(out, text),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    /// The bytes for a length-prefixed field: a null reference is empty, a number is decimal (protocol 2.3).
    pub(super) fn bare(&self) -> &[u8] {
        match self {
            Self::Null => b"",
            Self::Text(text) | Self::Json(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Ref {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
