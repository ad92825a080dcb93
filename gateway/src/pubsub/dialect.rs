//! Which version of the envelope this pod writes, and which it reads.
//!
//! A pod reads all versions that it knows from its first moment, also what others wrote before they knew of it. It says in its
//! lease which is the newest to be written to it, and writes what every pod that lives says. So old and new pods work side by side, and nobody has to be stopped for a new version.
//!
//! Version 2: `02 | size, 2 bytes | extensions | an envelope of version 1`. Readers pass over the extensions that they do
//! not know, so what later releases want to add needs no further version. There are none so far.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::{Buf as _, Bytes};

use super::metrics::{Dropped, Metrics};
use crate::config::NEWEST_ENVELOPE;

/// What every release reads. Orders are always of this version: they are kept for a day, and read by pods that were away.
const OLDEST: u8 = 1;

const EXTENSIBLE: u8 = 2;

/// The head of version 2 without extensions.
const NO_EXTENSIONS: [u8; 3] = [EXTENSIBLE, 0, 0];

/// What this pod speaks with the others.
#[derive(Debug)]
pub(super) struct Dialect {
    /// What it says in its lease, and writes at most.
    newest: u8,
    reads: u8,
    writes: AtomicU8,
    metrics: Metrics,
}

impl Dialect {
    /// Writes the oldest version until more is known of the others, and then `newest` at most.
    pub(super) fn new(newest: u8, metrics: Metrics) -> Self {
        metrics.envelope_version(OLDEST);
        Self { newest: newest.max(OLDEST), reads: NEWEST_ENVELOPE, writes: AtomicU8::new(OLDEST), metrics }
    }

    /// The newest version that this pod says it reads.
    pub(super) fn newest(&self) -> u8 {
        self.newest
    }

    /// The newest version that all pods read is this one.
    pub(super) fn speak(&self, version: u8) {
        let version = version.clamp(OLDEST, self.newest);
        let before = self.writes.swap(version, Ordering::Relaxed);
        if before != version {
            tracing::info!(before, version, "another version of messages between pods is written from now on");
            self.metrics.envelope_version(version);
        }
    }

    /// Makes an envelope of version 1 one of the version that is written now.
    pub(super) fn wrap(&self, mut envelope: Vec<u8>) -> Bytes {
        if self.writes.load(Ordering::Relaxed) >= EXTENSIBLE {
            envelope.splice(0..0, NO_EXTENSIONS);
        }
        envelope.into()
    }

    /// The envelope of version 1 within one of any version; what is none, such as the JSON of others, as it is.
    ///
    /// # Errors
    /// With the reason to drop it.
    pub(super) fn unwrap(&self, message: &Bytes) -> Result<Bytes, Dropped> {
        if message.first() != Some(&EXTENSIBLE) {
            return Ok(message.clone());
        }
        if self.reads < EXTENSIBLE {
            return Err(Dropped::Version);
        }
        let mut rest = message.slice(1..);
        let size = rest.try_get_u16().map_err(|_| Dropped::Malformed)?.into();
        if rest.len() < size {
            return Err(Dropped::Malformed);
        }
        rest.advance(size);
        // What is wrapped is one of ours: no JSON, and not wrapped again.
        if rest.first() == Some(&OLDEST) { Ok(rest) } else { Err(Dropped::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use proptest::prelude::*;

    use super::*;

    fn dialect(newest: u8) -> Dialect {
        Dialect::new(newest, Metrics::register(&Registry::new()).unwrap())
    }

    /// A release that knows no newer version.
    fn release(newest: u8) -> Dialect {
        Dialect { reads: newest, ..dialect(newest) }
    }

    #[test]
    fn the_layout_of_version_2() {
        let new = dialect(NEWEST_ENVELOPE);
        assert_eq!(NEWEST_ENVELOPE, EXTENSIBLE, "a newer one is to be read here");
        assert_eq!(new.wrap(b"\x01abc".to_vec()), b"\x01abc"[..], "before the others are known");
        new.speak(2);
        assert_eq!(new.wrap(b"\x01abc".to_vec()), b"\x02\0\0\x01abc"[..]);
        let unwrap = |message: &'static [u8]| new.unwrap(&Bytes::from_static(message));
        assert_eq!(unwrap(b"\x02\0\0\x01abc"), Ok(Bytes::from_static(b"\x01abc")));
        assert_eq!(unwrap(b"\x02\0\x03new\x01abc"), Ok(Bytes::from_static(b"\x01abc")), "what is new is passed over");
        assert_eq!(unwrap(b"{}"), Ok(Bytes::from_static(b"{}")));
        for torn in [&b"\x02"[..], b"\x02\0", b"\x02\0\x03ab", b"\x02\0\0", b"\x02\0\0{}", b"\x02\0\0\x02\0\0\x01"] {
            assert_eq!(new.unwrap(&Bytes::copy_from_slice(torn)), Err(Dropped::Malformed), "{torn:?}");
        }
    }

    #[test]
    fn a_pod_never_writes_what_others_or_itself_cannot_read() {
        let (old, pinned, new) = (release(1), dialect(1), dialect(2));
        for (dialect, oldest_of_all, written) in [(&old, 2, 1), (&new, 1, 1), (&new, 2, 2), (&new, 9, 2), (&new, 0, 1)]
        {
            dialect.speak(oldest_of_all);
            assert_eq!(dialect.wrap(vec![1])[0], written);
        }
        new.speak(2);
        assert_eq!(old.unwrap(&new.wrap(vec![1])), Err(Dropped::Version), "counted, and not fatal");
        pinned.speak(2);
        assert_eq!(pinned.wrap(vec![1])[0], 1, "pinned is what it writes");
        assert_eq!(pinned.unwrap(&new.wrap(vec![1])), Ok(Bytes::from_static(&[1])), "and not what it reads");
        assert_eq!(new.unwrap(&old.wrap(vec![1])), Ok(Bytes::from_static(&[1])));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = dialect(2).unwrap(&[&[EXTENSIBLE], &*bytes].concat().into());
        }
    }
}
