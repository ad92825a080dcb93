use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How long a topic's epoch and last offset are remembered at least.
const MIN_LIFE: Duration = Duration::from_secs(3600);

/// How often a pod that hosts a topic has its position remembered for longer: four times in the shortest life.
pub const RENEWAL: Duration = Duration::from_secs(900);

/// How long the epoch of a topic is remembered on which nothing was published yet: who merely joins invented topics must
/// not fill the memory of Redis for hours.
pub(super) const EMPTY_LIFE: Duration = Duration::from_secs(600);

/// How often a pod that hosts such a topic has it remembered for longer.
pub const EMPTY_RENEWAL: Duration = Duration::from_secs(225);

/// Names one life of a topic's stream: another epoch means that messages may have been lost in between. Random and
/// opaque; equal or not is all that it tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// A new one: twelve characters, 60 bits.
    pub fn random() -> Self {
        let mut rng = rand::rng();
        Self((0..12).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect::<String>().into())
    }

    /// As it stands in Redis, in answers and on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Epoch {
    fn from(epoch: &str) -> Self {
        Self(epoch.into())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a topic's stream: just behind the message with this offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The life of the stream.
    pub epoch: Epoch,
    /// The number of the last message; 0 before the first.
    pub offset: u64,
}

/// How much of a topic is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    size: u32,
    ttl: Duration,
}

impl Retention {
    /// The most messages that a topic can keep: each costs memory in Redis.
    pub const MAX_SIZE: u32 = 100_000;

    /// The longest time for which a topic can keep them.
    pub const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

    /// The last `size` messages (1 to [`Retention::MAX_SIZE`]), until `ttl` after the last of them (a millisecond to
    /// [`Retention::MAX_TTL`]). What lies outside is moved to the nearest bound.
    pub fn new(size: u32, ttl: Duration) -> Self {
        Self { size: size.clamp(1, Self::MAX_SIZE), ttl: ttl.clamp(Duration::from_millis(1), Self::MAX_TTL) }
    }

    /// How many messages are kept.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How long they are kept after the last one.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How long the epoch and the last offset are remembered after their last use, once there is a message: longer than the messages, so that a
    /// client of a quiet topic can be told that it has missed nothing.
    pub fn life(&self) -> Duration {
        (2 * self.ttl).max(MIN_LIFE)
    }
}

/// Which topics keep a history, and how much of it.
pub type Policy = Arc<dyn Fn(&str) -> Option<Retention> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_stays_within_bounds() {
        let most = Retention::new(u32::MAX, Duration::MAX);
        assert_eq!((most.size(), most.ttl()), (Retention::MAX_SIZE, Retention::MAX_TTL));
        let least = Retention::new(0, Duration::ZERO);
        assert_eq!((least.size(), least.ttl()), (1, Duration::from_millis(1)));
        assert!(least.life() > 2 * RENEWAL, "a pod that misses one renewal loses nothing");
        assert!(most.life() > most.ttl());
        assert!(EMPTY_LIFE > 2 * EMPTY_RENEWAL);
    }

    #[test]
    fn epochs_differ() {
        let (first, second) = (Epoch::random(), Epoch::random());
        assert_ne!(first, second);
        assert_eq!(Epoch::from(first.as_str()), first);
    }
}
