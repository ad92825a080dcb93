use super::bucket::{Bucket, Rate};
use crate::config;

/// Who sends so many times more than its limit allows is closed: answers would cost more than they tell.
const FLOOD: u64 = 10;

/// How much a socket may send, each in a token bucket. Heartbeats and leaves are never refused, since they make a client
/// quieter, but a flood of them is a flood.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SocketLimits {
    messages_per_second: Option<usize>,
    joins_per_second: Option<usize>,
}

impl SocketLimits {
    pub(crate) fn new(limits: &config::Limits) -> Self {
        Self { messages_per_second: limits.messages_per_second, joins_per_second: limits.joins_per_second }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        self.messages_per_second.is_some() || self.joins_per_second.is_some()
    }

    /// A bucket of one second's worth.
    fn messages(&self) -> Option<Rate> {
        self.messages_per_second.map(|per_second| Rate::new(per_second, per_second))
    }

    /// A client that comes back joins all its topics again at once, so that many are in the bucket.
    fn joins(&self, max_channels: usize) -> Option<Rate> {
        self.joins_per_second.map(|per_second| Rate::new(per_second, per_second.max(max_channels)))
    }

    /// A client may leave all its topics at once.
    fn exempt(&self, max_channels: usize) -> Option<Rate> {
        let per_second = self.messages_per_second.or(self.joins_per_second);
        per_second.map(|per_second| Rate::new(per_second, per_second.max(max_channels)).times(FLOOD))
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
    exempt: Bucket,
}

#[derive(Debug, Default)]
struct Kind {
    allowed: Bucket,
    flood: Bucket,
}

impl Usage {
    /// Counts a message other than a heartbeat or a leave.
    pub(super) fn message(&mut self, limits: &SocketLimits, now_ms: u64) -> Verdict {
        self.messages.count(limits.messages(), now_ms)
    }

    /// Counts a heartbeat or a leave, which is fine or a flood.
    pub(super) fn exempt(&mut self, limits: &SocketLimits, max_channels: usize, now_ms: u64) -> Verdict {
        match limits.exempt(max_channels).map(|rate| self.exempt.take(rate, now_ms)) {
            None | Some(Ok(())) => Verdict::Fine,
            Some(Err(_)) => Verdict::Flood,
        }
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
        let limits = SocketLimits { messages_per_second: Some(5), joins_per_second: Some(1) };
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
    fn exempt_messages_are_fine_until_they_are_a_flood() {
        for limits in [
            SocketLimits { messages_per_second: Some(5), joins_per_second: None },
            SocketLimits { messages_per_second: None, joins_per_second: Some(5) },
        ] {
            for (max_channels, burst) in [(3, 50), (20, 200)] {
                let mut usage = Usage::default();
                let fine = (0..1000).take_while(|_| usage.exempt(&limits, max_channels, 1000) == Verdict::Fine).count();
                assert_eq!(fine, burst, "{limits:?} {max_channels}");
                assert_eq!(usage.exempt(&limits, max_channels, 1000), Verdict::Flood);
                // They are counted apart from the others.
                assert_eq!(usage.message(&limits, 1000), Verdict::Fine);
                assert_eq!(usage.exempt(&limits, max_channels, 2000), Verdict::Fine);
            }
        }
    }

    #[test]
    fn without_limits_everything_is_fine() {
        let (limits, mut usage) = (SocketLimits::default(), Usage::default());
        assert!(!limits.any());
        for _ in 0..10_000 {
            assert_eq!((usage.message(&limits, 0), usage.join(&limits, 1, 0)), (Verdict::Fine, Verdict::Fine));
            assert_eq!(usage.exempt(&limits, 1, 0), Verdict::Fine);
        }
    }
}
