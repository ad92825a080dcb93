use std::time::Duration;

use tokio::time::Instant;

/// At most one line in so long a time.
const PERIOD: Duration = Duration::from_secs(10);

/// Keeps a flood of failures from becoming a flood of log lines.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// Whether a line may be written now; if so, how many were not since the last one.
    pub(super) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + PERIOD) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_comes_at_once_and_the_next_tells_what_was_left_out() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.admit(now), Some(0));
        assert_eq!(throttle.admit(now), None);
        assert_eq!(throttle.admit(now + PERIOD - Duration::from_millis(1)), None);
        assert_eq!(throttle.admit(now + PERIOD), Some(2));
        assert_eq!(throttle.admit(now + PERIOD), None);
    }
}
