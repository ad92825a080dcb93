use super::bucket::{Bucket, Rate};
use crate::config;

/// Who sends so many times more than its limit allows is closed: answers would cost more than they tell.
const FLOOD: u64 = 10;

/// How much a socket may send, each in a token bucket. Heartbeats and leaves are exempt: they make a client quieter.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SocketLimits {
    /// A bucket of one second's worth.
    messages: Option<Rate>,
    joins_per_second: Option<usize>,
}

impl SocketLimits {
    pub(crate) fn new(limits: &config::Limits) -> Self {
        let messages = limits.messages_per_second.map(|per_second| Rate::new(per_second, per_second));
        Self { messages, joins_per_second: limits.joins_per_second }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        self.messages.is_some() || self.joins_per_second.is_some()
    }

    /// A client that comes back joins all its topics again at once, so that many are in the bucket.
    fn joins(&self, max_channels: usize) -> Option<Rate> {
        self.joins_per_second.map(|per_second| Rate::new(per_second, per_second.max(max_channels)))
    }
}

/// What the limits make of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// It is answered with `rate_limited`.
    Refused,
    /// The connection ends.
    Flood,
}

/// What a socket has used of its limits.
#[derive(Debug, Default)]
pub(super) struct Usage {
    messages: Kind,
    joins: Kind,
}

#[derive(Debug, Default)]
struct Kind {
    allowed: Bucket,
    flood: Bucket,
}

impl Usage {
    /// Counts a message other than a heartbeat or a leave.
    pub(super) fn message(&mut self, limits: &SocketLimits, now_ms: u64) -> Verdict {
        self.messages.count(limits.messages, now_ms)
    }

    /// Counts a join; `max_channels` are those of the mount.
    pub(super) fn join(&mut self, limits: &SocketLimits, max_channels: usize, now_ms: u64) -> Verdict {
        self.joins.count(limits.joins(max_channels), now_ms)
    }
}

impl Kind {
    fn count(&mut self, rate: Option<Rate>, now_ms: u64) -> Verdict {
        let Some(rate) = rate else { return Verdict::Fine };
        if self.flood.take(rate.times(FLOOD), now_ms).is_err() {
            Verdict::Flood
        } else if self.allowed.take(rate, now_ms).is_err() {
            Verdict::Refused
        } else {
            Verdict::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_too_much_is_refused_and_far_too_much_is_a_flood() {
        let limits = SocketLimits { messages: Some(Rate::new(5, 5)), joins_per_second: Some(1) };
        let mut usage = Usage::default();
        let mut said = Vec::new();
        for _ in 0..51 {
            said.push(usage.message(&limits, 1000));
        }
        assert_eq!(said.iter().filter(|verdict| **verdict == Verdict::Fine).count(), 5);
        assert_eq!(said.iter().filter(|verdict| **verdict == Verdict::Refused).count(), 45);
        assert_eq!(said[50], Verdict::Flood);
        assert_eq!(usage.message(&limits, 2000), Verdict::Fine, "the bucket is full again");
        // Joins are counted apart.
        let joins: Vec<_> = (0..4).map(|_| usage.join(&limits, 3, 1000)).collect();
        assert_eq!(joins, [Verdict::Fine, Verdict::Fine, Verdict::Fine, Verdict::Refused]);
        assert_eq!(usage.join(&limits, 3, 2000), Verdict::Fine);
    }

    #[test]
    fn without_limits_everything_is_fine() {
        let (limits, mut usage) = (SocketLimits::default(), Usage::default());
        assert!(!limits.any());
        for _ in 0..10_000 {
            assert_eq!((usage.message(&limits, 0), usage.join(&limits, 1, 0)), (Verdict::Fine, Verdict::Fine));
        }
    }
}
