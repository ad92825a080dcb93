//! Spreads heartbeats evenly over their interval, without a timer per connection.

use std::time::{Duration, Instant};

/// A hand that goes round all connections once per interval.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    interval: Duration,
    started: Instant,
    beaten: u64,
}

impl Heartbeats {
    /// An interval of zero means none.
    pub(crate) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, started: now, beaten: 0 }
    }

    /// Which connections (of ids `0..count`) are due now; at most one round, so that a pause is not followed by a burst.
    pub(crate) fn due(&mut self, count: usize, now: Instant) -> impl Iterator<Item = usize> + use<> {
        let rounds = if self.interval.is_zero() { 0.0 } else { (now - self.started).div_duration_f64(self.interval) };
        // While connections are being opened the target jumps; the hand then only goes on from where it is.
        let target = (rounds * count as f64) as u64;
        let first = self.beaten.max(target.saturating_sub(count as u64));
        self.beaten = self.beaten.max(target);
        let modulus = count.max(1) as u64;
        (first..self.beaten).map(move |beat| (beat % modulus) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_beats_once_per_interval() {
        let start = Instant::now();
        let mut beats = Heartbeats::new(Duration::from_secs(10), start);
        let mut seen: Vec<_> =
            (1..=20).flat_map(|tick| beats.due(4, start + Duration::from_millis(500 * tick))).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    }

    #[test]
    fn a_pause_is_not_followed_by_a_burst_and_zero_means_never() {
        let start = Instant::now();
        let mut beats = Heartbeats::new(Duration::from_secs(1), start);
        assert_eq!(beats.due(4, start + Duration::from_secs(3600)).count(), 4);
        let mut never = Heartbeats::new(Duration::ZERO, start);
        assert_eq!(never.due(4, start + Duration::from_secs(3600)).count(), 0);
    }
}
