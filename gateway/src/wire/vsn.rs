use bytes::Bytes;
use semver::Version;
use thiserror::Error;

use super::error::DecodeError;
use super::message::{Message, Opcode};
use super::{v1, v2};

/// The serializer of a connection, chosen by the connect param `vsn` (protocol 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vsn {
    /// JSON objects.
    V1,
    /// JSON arrays and binary frames.
    V2,
}

/// The `vsn` is no full semantic version, or one that no serializer handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unsupported vsn")]
pub struct UnsupportedVsn;

impl Vsn {
    /// Chooses the serializer: none given is 1.0.0; `1.0.x` and `2.0.x` are handled (rows 6-11).
    ///
    /// # Errors
    /// For anything else.
    pub fn negotiate(vsn: Option<&str>) -> Result<Self, UnsupportedVsn> {
        let Some(vsn) = vsn else { return Ok(Self::V1) };
        let version = Version::parse(vsn).map_err(|_| UnsupportedVsn)?;
        match (version.major, version.minor, version.pre.is_empty()) {
            (1, 0, true) => Ok(Self::V1),
            (2, 0, true) => Ok(Self::V2),
            _ => Err(UnsupportedVsn),
        }
    }

    /// Reads a client's frame. The payload shares the frame's memory.
    ///
    /// # Errors
    /// When it is no message of this version; the socket cannot go on then.
    pub fn decode(self, opcode: Opcode, frame: &Bytes) -> Result<Message, DecodeError> {
        match (self, opcode) {
            // Version 1 ignores the opcode: some clients send their JSON in binary frames (row 87).
            (Self::V1, _) => v1::decode(frame),
            (Self::V2, Opcode::Text) => v2::decode(frame),
            (Self::V2, Opcode::Binary) => super::binary::decode(frame),
        }
    }
}

#[cfg(test)]
mod tests;
