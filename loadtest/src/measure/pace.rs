//! Intended times of an open loop.

use std::time::{Duration, Instant};

/// A fixed number of things per second from a start, whatever the server does.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    start: Instant,
    per_second: f64,
    issued: u64,
}

impl Pace {
    /// The first is due at `start`.
    pub(crate) fn new(start: Instant, per_second: f64) -> Self {
        Self { start, per_second, issued: 0 }
    }

    /// When the next one should go out.
    pub(crate) fn next_at(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.issued as f64 / self.per_second)
    }

    /// The intended time of the next one, if it is due by `now`. After a stall it gives all that were held up, at once.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Instant> {
        let at = self.next_at();
        (at <= now).then(|| {
            self.issued += 1;
            at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_does_not_shift_the_intended_times() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 20.0);
        assert_eq!(pace.take_due(start), Some(start));
        assert_eq!(pace.take_due(start + Duration::from_millis(49)), None);
        let late = start + Duration::from_millis(210);
        let due: Vec<_> = std::iter::from_fn(|| pace.take_due(late)).collect();
        assert_eq!(due, [50, 100, 150, 200].map(|ms| start + Duration::from_millis(ms)));
    }
}
