use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

/// How fast a token bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds that one token takes.
    interval: u64,
    /// Nanoseconds that the whole bucket takes.
    full: u64,
}

impl Rate {
    /// So many a second, and `burst` at once.
    pub(crate) fn new(per_second: usize, burst: usize) -> Self {
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX).clamp(1, SECOND_NS);
        let interval = SECOND_NS / per_second;
        let burst = u64::try_from(burst).unwrap_or(u64::MAX).max(1);
        Self { interval, full: interval.saturating_mul(burst) }
    }

    /// So many times faster, and larger.
    pub(super) fn times(self, factor: u64) -> Self {
        Self { interval: (self.interval / factor).max(1), full: self.full }
    }
}

/// A token bucket in one number: when it will be full again, in nanoseconds of the clock (the generic cell rate
/// algorithm). One that nothing was taken from for long equals a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket(u64);

impl Bucket {
    /// Takes a token.
    ///
    /// # Errors
    /// When there is none: how long until there is one. Nothing was taken.
    pub(crate) fn take(&mut self, rate: Rate, now_ms: u64) -> Result<(), Duration> {
        let now = now_ms.saturating_mul(1_000_000);
        let full_at = self.0.max(now).saturating_add(rate.interval);
        let latest = now.saturating_add(rate.full);
        if full_at > latest {
            return Err(Duration::from_nanos(full_at - latest));
        }
        self.0 = full_at;
        Ok(())
    }

    /// Whether nothing is missing from it.
    pub(crate) fn is_full(self, now_ms: u64) -> bool {
        self.0 <= now_ms.saturating_mul(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, rate: Rate, now_ms: u64) -> usize {
        (0..1000).take_while(|_| bucket.take(rate, now_ms).is_ok()).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(10, 20));
        assert_eq!(taken(&mut bucket, rate, 5_000), 20);
        assert_eq!(bucket.take(rate, 5_000), Err(Duration::from_millis(100)));
        assert_eq!(taken(&mut bucket, rate, 5_099), 0, "none before its time");
        assert_eq!(taken(&mut bucket, rate, 5_100), 1);
        assert_eq!(taken(&mut bucket, rate, 6_100), 10);
        assert!(!bucket.is_full(8_099) && bucket.is_full(8_100));
        assert_eq!(taken(&mut bucket, rate, 60_000), 20, "it does not hold more than its burst");
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let (mut bucket, rate) = (Bucket::default(), Rate::new(1, 1));
        assert_eq!(taken(&mut bucket, rate, 0), 1);
        for now in 1..1000 {
            assert!(bucket.take(rate, now).is_err());
        }
        assert_eq!(bucket.take(rate, 1000), Ok(()));
    }

    #[test]
    fn extreme_rates_are_no_panics() {
        for rate in [Rate::new(usize::MAX, usize::MAX), Rate::new(1, usize::MAX), Rate::new(0, 0)] {
            let mut bucket = Bucket::default();
            for now in [0, 1, u64::MAX] {
                let _either = bucket.take(rate, now);
            }
            let _faster = rate.times(10);
        }
    }
}
