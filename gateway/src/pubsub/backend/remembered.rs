use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::pubsub::idempotency::{IdempotencyKey, REMEMBERED};

/// How many keys are remembered: some 10 MB, 40 at worst. Beyond that the oldest is forgotten early, and a repetition of
/// it would be sent.
const MAX_KEYS: usize = 65_536;

/// The idempotency keys of one pod alone, each for 24 hours.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    keys: HashSet<Arc<str>>,
    /// The oldest first.
    since: VecDeque<(Instant, Arc<str>)>,
}

impl Remembered {
    /// Whether the key is new for this topic; it is remembered then.
    pub(super) fn is_new(&mut self, topic: &str, key: &IdempotencyKey) -> bool {
        let now = Instant::now();
        while self.since.front().is_some_and(|(since, _)| *since + REMEMBERED <= now) {
            self.forget_oldest();
        }
        let name: Arc<str> = format!("{}:{topic}{}", topic.len(), key.as_str()).into();
        if self.keys.contains(&name) {
            return false;
        }
        if self.since.len() == MAX_KEYS {
            self.forget_oldest();
        }
        self.keys.insert(name.clone());
        self.since.push_back((now, name));
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.since.pop_front() {
            self.keys.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(key: &str) -> IdempotencyKey {
        IdempotencyKey::new(key).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_for_a_day_and_for_its_topic() {
        let mut remembered = Remembered::default();
        assert!(remembered.is_new("a", &key("bc")));
        assert!(remembered.is_new("ab", &key("c")));
        tokio::time::advance(REMEMBERED - Duration::from_secs(1)).await;
        assert!(!remembered.is_new("a", &key("bc")), "that it was asked for again does not matter");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(remembered.is_new("a", &key("bc")));
        assert_eq!((remembered.keys.len(), remembered.since.len()), (1, 1));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut remembered = Remembered::default();
        for number in 0..=MAX_KEYS {
            assert!(remembered.is_new("t", &key(&number.to_string())));
        }
        assert_eq!((remembered.keys.len(), remembered.since.len()), (MAX_KEYS, MAX_KEYS));
        assert!(!remembered.is_new("t", &key("1")));
        assert!(remembered.is_new("t", &key("0")));
    }
}
