//! What a message of a topic with history carries before its envelope, so that receivers can tell whether it is the next
//! one: `01 | 04 | size of epoch | epoch | offset, 8 bytes big-endian | envelope`.
//!
//! The script that publishes writes it, since only there the offset is known (`redis/scripts/history_publish.lua`). The
//! history itself holds the envelope alone. A pod that knows no histories drops such a message as malformed: patterns get
//! a history when all pods know what it is.

use super::backend::Kept;

/// As `envelope::VERSION`.
const VERSION: u8 = 1;

/// In the place of an envelope's flags, of which it is a further one.
const KEPT: u8 = 4;

/// Splits a message into where it stands and its envelope. None when it is no such message.
pub(super) fn split(message: &[u8]) -> Option<(Kept<'_>, &[u8])> {
    let [VERSION, KEPT, size, rest @ ..] = message else { return None };
    let (epoch, rest) = rest.split_at_checked((*size).into())?;
    let (offset, envelope) = rest.split_first_chunk::<8>()?;
    Some((Kept { epoch: std::str::from_utf8(epoch).ok()?, offset: u64::from_be_bytes(*offset) }, envelope))
}

/// Joins what [`split`] takes apart.
#[cfg(test)]
pub(super) fn join(Kept { epoch, offset }: Kept<'_>, envelope: &[u8]) -> Vec<u8> {
    let size = u8::try_from(epoch.len()).unwrap();
    [&[VERSION, KEPT, size], epoch.as_bytes(), &offset.to_be_bytes(), envelope].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_before_an_envelope() {
        let message = b"\x01\x04\x02ab\0\0\0\0\0\0\x01\x02\x01rest";
        assert_eq!(split(message), Some((Kept { epoch: "ab", offset: 258 }, &b"\x01rest"[..])));
        assert_eq!(join(Kept { epoch: "ab", offset: 258 }, b"\x01rest"), message);
        assert_eq!(split(b"\x01\0\x02ab\0\0\0\0\0\0\x01\x02\x01rest"), None);
        for cut in 0..message.len() - 5 {
            assert_eq!(split(&message[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(mut bytes: Vec<u8>) {
            if let [version, flags, ..] = &mut bytes[..] {
                (*version, *flags) = (VERSION, KEPT);
            }
            let _ = split(&bytes);
        }
    }
}
