use std::time::Duration;

use tokio::time::Instant;

use crate::presence::Census;

/// Chooses the version of messages between pods: older at once, newer only when nobody who cannot read it has been seen for
/// a lease. So a pod that could not renew its lease for a moment is not written over.
#[derive(Debug)]
pub(super) struct Version {
    /// The newest that this pod reads.
    newest: u8,
    lease: Duration,
    /// The newest that all could read, and since when.
    seen: Option<(u8, Instant)>,
    written: u8,
}

impl Version {
    pub(super) fn new(newest: u8, lease: Duration) -> Self {
        Self { newest, lease, seen: None, written: 1 }
    }

    /// The version to write.
    pub(super) fn choose(&mut self, census: &Census, now: Instant) -> u8 {
        let readable = census.others.iter().map(|about| about.envelope).fold(self.newest, u8::min);
        if readable < self.written {
            self.written = readable;
        }
        match self.seen {
            Some((seen, since)) if seen == readable && !census.doubtful => {
                if since + self.lease <= now {
                    self.written = readable;
                }
            }
            _ => self.seen = Some((readable, now)),
        }
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::About;

    const LEASE: Duration = Duration::from_secs(30);

    fn census(envelopes: &[u8]) -> Census {
        let about = |&envelope| About { connections: None, envelope };
        Census { others: envelopes.iter().map(about).collect(), doubtful: false }
    }

    #[test]
    fn a_newer_version_waits_for_a_lease_and_an_older_one_does_not() {
        let (mut version, begun) = (Version::new(3, LEASE), Instant::now());
        let mut choose = |envelopes: &[u8], seconds| {
            let now = begun + Duration::from_secs(seconds);
            version.choose(&census(envelopes), now)
        };
        assert_eq!(choose(&[1, 2], 0), 1);
        assert_eq!(choose(&[2, 2], 5), 1, "the last old pod has gone");
        assert_eq!(choose(&[2, 2], 34), 1);
        assert_eq!(choose(&[2, 2], 35), 2);
        assert_eq!(choose(&[3, 3], 40), 2);
        assert_eq!(choose(&[1, 3], 41), 1, "a rollback");
        assert_eq!(choose(&[3, 3], 50), 1);
        assert_eq!(choose(&[], 79), 1);
        assert_eq!(choose(&[], 80), 3, "alone it writes the newest");
    }

    #[test]
    fn in_doubt_nothing_newer_is_written() {
        let (mut version, begun) = (Version::new(2, LEASE), Instant::now());
        let doubt = Census { others: Vec::new(), doubtful: true };
        for seconds in 0..100 {
            assert_eq!(version.choose(&doubt, begun + Duration::from_secs(seconds)), 1);
        }
        assert_eq!(version.choose(&census(&[2]), begun + Duration::from_secs(128)), 1, "the doubt ended just now");
        assert_eq!(version.choose(&census(&[2]), begun + Duration::from_secs(129)), 2);
        assert_eq!(version.choose(&doubt, begun + Duration::from_secs(130)), 2, "doubt is no reason to go back");
    }
}
