use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// What a message carries: JSON text that passes through unparsed, or bytes. Cloning shares the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Valid JSON text in UTF-8.
    Json(Bytes),
    /// Raw bytes; only version 2 can carry them.
    Binary(Bytes),
}

/// Why a payload cannot be read as, or made from, a value.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The payload is bytes, not JSON.
    #[error("the payload is binary")]
    Binary,
    /// The JSON does not fit the type.
    #[error("the payload does not fit: {0}")]
    Json(#[from] serde_json::Error),
}

impl Payload {
    /// The empty object `{}`: the payload of messages that carry nothing. Never `null` (protocol 2.4).
    pub fn empty() -> Self {
        Self::Json(Bytes::from_static(b"{}"))
    }

    /// Makes a JSON payload of a value.
    ///
    /// # Errors
    /// When the value has no JSON form, such as a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        Ok(Self::Json(serde_json::to_vec(value)?.into()))
    }

    /// Reads the JSON as a value.
    ///
    /// # Errors
    /// When the payload is binary or has another shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        match self {
            Self::Json(json) => Ok(serde_json::from_slice(json)?),
            Self::Binary(_) => Err(PayloadError::Binary),
        }
    }

    /// Whether a push or broadcast may carry it on every version that can carry it at all: an object, or bytes.
    pub fn is_object_or_binary(&self) -> bool {
        match self {
            Self::Json(json) => is_object(json),
            Self::Binary(_) => true,
        }
    }

    /// Whether it is JSON that nests deeper than client libraries can parse, and than the gateway takes from clients.
    pub fn is_too_deep(&self) -> bool {
        matches!(self, Self::Json(json) if deeper_than(json, MAX_DEPTH))
    }

    /// The bytes as they stand on the wire.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

impl From<serde_json::Value> for Payload {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(value.to_string().into())
    }
}

fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().first() == Some(&b'{')
}

/// The depth at which `serde_json` and other parsers that recurse give up.
const MAX_DEPTH: usize = 127;

/// How many brackets open in a text, those in strings included.
fn brackets(json: &[u8]) -> usize {
    // `[` and `{` differ in this bit. Sums of bytes, of parts in which none can overflow, are added 16 at a time.
    let opens = |byte: &u8| u8::from(byte | 0x20 == b'{');
    json.chunks(255).map(|part| usize::from(part.iter().map(opens).sum::<u8>())).sum()
}

/// Whether JSON text nests deeper than `limit`. Client libraries that parse by recursion fail beyond some depth, so one
/// client could break the others of a topic; `serde_json` itself stops at 128.
fn deeper_than(json: &[u8], limit: usize) -> bool {
    // A text that short cannot nest that deep: the usual message costs nothing.
    if json.len() <= limit {
        return false;
    }
    // Nor can one with so few brackets, and counting them costs a tenth of telling strings apart.
    if brackets(json) <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        match (in_string, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (_, false, b'"') => in_string = !in_string,
            (false, _, b'[' | b'{') => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            (false, _, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
