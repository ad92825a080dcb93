use bytes::Bytes;

use super::dialect::Dialect;
use super::error::{DecodeError, EncodeError};
use super::message::{Message, Opcode, Outgoing};
use super::vsn::Vsn;
use super::{supabase, v1, v2};

/// How a connection is written to: its serializer and dialect, whether broadcasts tell their place in the history of their
/// topic (connect param `offsets=1`), and whether they are compressed. Connections with the same one share the bytes of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// The serializer.
    pub vsn: Vsn,
    /// Whether broadcasts that have an offset carry it.
    pub offsets: bool,
    /// How its clients use frames. That of Supabase has no offsets.
    pub dialect: Dialect,
    /// Whether frames are compressed. It makes no difference to the message inside.
    pub compression: Compression,
}

/// How the frames of a connection are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By permessage-deflate.
    Deflate,
    /// By permessage-deflate, for a client that can look back only a little.
    DeflateSmall,
}

impl Encoding {
    /// How many there are: the size of a table indexed by [`Encoding::index`].
    pub const COUNT: usize = 18;

    /// A small number that tells the encodings apart.
    pub fn index(self) -> usize {
        let vsn = match self.vsn {
            Vsn::V1 => 0,
            Vsn::V2 => 1,
        };
        let dialect = match self.dialect {
            Dialect::Phoenix => 2 * vsn + usize::from(self.offsets),
            Dialect::Supabase => 4 + vsn,
        };
        let compression = match self.compression {
            Compression::None => 0,
            Compression::Deflate => 1,
            Compression::DeflateSmall => 2,
        };
        6 * compression + dialect
    }

    /// The same messages in frames that are not compressed.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self { compression: Compression::None, ..self }
    }

    /// Reads a client's frame. The payload shares the frame's memory where it can.
    ///
    /// # Errors
    /// When it is no message of this version and dialect.
    pub fn decode(self, opcode: Opcode, frame: &Bytes) -> Result<Message, DecodeError> {
        match self.dialect {
            Dialect::Phoenix => self.vsn.decode(opcode, frame),
            Dialect::Supabase => supabase::decode(self.vsn, opcode, frame),
        }
    }

    /// Appends the frame of a message to `out` and says which kind of frame it is.
    ///
    /// # Errors
    /// When the version cannot carry it; `out` may then hold a part and must be discarded.
    pub fn encode(self, message: Outgoing<'_>, out: &mut Vec<u8>) -> Result<Opcode, EncodeError> {
        if self.dialect == Dialect::Supabase {
            return supabase::encode(self.vsn, message, out);
        }
        let message = match message {
            Outgoing::Broadcast { topic, event, payload, .. } if !self.offsets => {
                Outgoing::Broadcast { topic, event, payload, offset: None }
            }
            Outgoing::Push { join_ref, topic, event, payload, .. } if !self.offsets => {
                Outgoing::Push { join_ref, topic, event, payload, offset: None }
            }
            message => message,
        };
        match self.vsn {
            Vsn::V1 => v1::encode(message, out),
            Vsn::V2 => v2::encode(message, out),
        }
    }
}

/// As clients are written to that ask for nothing else.
impl From<Vsn> for Encoding {
    fn from(vsn: Vsn) -> Self {
        Self { vsn, offsets: false, dialect: Dialect::Phoenix, compression: Compression::None }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::payload::Payload;
    use super::super::reference::Ref;
    use super::*;

    const PHOENIX: [Encoding; 4] =
        [phoenix(Vsn::V1, false), phoenix(Vsn::V1, true), phoenix(Vsn::V2, false), phoenix(Vsn::V2, true)];

    const fn phoenix(vsn: Vsn, offsets: bool) -> Encoding {
        Encoding { vsn, offsets, dialect: Dialect::Phoenix, compression: Compression::None }
    }

    fn broadcast(encoding: Encoding, payload: &Payload, offset: Option<u64>) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        encoding.encode(Outgoing::Broadcast { topic: "room:1", event: "msg", payload, offset }, &mut out)?;
        Ok(out)
    }

    fn text(encoding: Encoding, offset: Option<u64>) -> String {
        String::from_utf8(broadcast(encoding, &Payload::empty(), offset).unwrap()).unwrap()
    }

    #[test]
    fn each_encoding_has_its_place_in_a_table() {
        let supabase = |vsn| Encoding { dialect: Dialect::Supabase, ..phoenix(vsn, false) };
        let plain: Vec<Encoding> = PHOENIX.into_iter().chain([Vsn::V1, Vsn::V2].map(supabase)).collect();
        let compressions = [Compression::None, Compression::Deflate, Compression::DeflateSmall];
        let all = compressions
            .into_iter()
            .flat_map(|compression| plain.iter().map(move |&plain| Encoding { compression, ..plain }));
        assert!(all.clone().map(Encoding::index).eq(0..Encoding::COUNT));
        assert!(all.map(Encoding::uncompressed).eq(plain.iter().copied().cycle().take(Encoding::COUNT)));
    }

    #[test]
    fn an_offset_is_the_reference_of_a_broadcast_for_those_who_asked() {
        let [v1, v1_offsets, v2, v2_offsets] = PHOENIX;
        assert_eq!(text(v2_offsets, Some(12)), r#"[null,"o:12","room:1","msg",{}]"#);
        assert_eq!(text(v1_offsets, Some(12)), r#"{"topic":"room:1","event":"msg","payload":{},"ref":"o:12"}"#);
        let largest = r#"[null,"o:18446744073709551615","room:1","msg",{}]"#;
        assert_eq!(text(v2_offsets, Some(u64::MAX)), largest);
        for offset in [None, Some(12)] {
            assert_eq!(text(v2, offset), r#"[null,null,"room:1","msg",{}]"#);
            assert_eq!(text(v1, offset), r#"{"topic":"room:1","event":"msg","payload":{},"ref":null}"#);
        }
        // A topic without history looks as it always does.
        assert_eq!(text(v2_offsets, None), text(v2, None));
        assert_eq!(text(v1_offsets, None), text(v1, None));
    }

    #[test]
    fn other_messages_and_binary_frames_are_the_same_with_offsets() {
        let binary = &Payload::Binary(Bytes::from_static(b"x"));
        let [v1, v1_offsets, v2, v2_offsets] = PHOENIX;
        assert_eq!(broadcast(v2_offsets, binary, Some(12)), broadcast(v2, binary, None));
        assert_eq!(broadcast(v1_offsets, binary, Some(12)), broadcast(v1, binary, None));
        let payload = &Payload::empty();
        let push = |encoding: Encoding, offset| {
            let (join_ref, mut out) = (&Ref::from("1"), Vec::new());
            let push = Outgoing::Push { join_ref, topic: "room:1", event: "msg", payload, offset };
            encoding.encode(push, &mut out).map(|_| String::from_utf8(out).unwrap()).unwrap()
        };
        for (plain, offsets) in [(v1, v1_offsets), (v2, v2_offsets)] {
            assert_eq!(push(plain, Some(12)), push(offsets, None));
        }
        // One that stands for a message of the history tells its place.
        assert_eq!(push(v2_offsets, Some(12)), r#"["1","o:12","room:1","msg",{}]"#);
    }
}
