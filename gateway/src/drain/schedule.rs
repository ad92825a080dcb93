use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// The goodbye to Redis and to those who ask for metrics has a fifth of the time, and so long at most.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

/// Each step of the goodbye has so long even when the time is over: presences that are not taken back stay for a lease.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// When the parts of a stop are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// No new clients from here on.
    pub(super) deaf: Instant,
    /// Connections that have not ended by now are cut.
    pub(super) cut: Instant,
    over: Instant,
}

impl Schedule {
    pub(super) fn new(settings: &config::Drain, begun: Instant) -> Self {
        let over = begun + settings.timeout;
        let cut = over - LONGEST_GOODBYE.min(settings.timeout / 5);
        Self { deaf: cut.min(begun + settings.delay), cut, over }
    }

    /// How long a step of the goodbye may take that would take `most`.
    pub(super) fn step(&self, most: Duration, now: Instant) -> Duration {
        most.min(self.over.saturating_duration_since(now).max(SHORTEST_STEP))
    }
}

/// How many sockets are closed at once, so that all of them are told within two thirds of the time that is left: the last
/// ones need some of it to finish what is under way.
pub(super) fn batch_size(sockets: usize, settings: &config::Drain, left: Duration) -> usize {
    let rounds = (left * 2 / 3).as_nanos() / settings.interval.as_nanos().max(1);
    let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).max(1);
    settings.batch.max(sockets.div_ceil(rounds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(delay: u32, timeout: u32) -> config::Drain {
        let interval = Duration::from_millis(100);
        config::Drain { delay: delay * SECOND, batch: 100, interval, timeout: timeout * SECOND }
    }

    #[test]
    fn the_goodbye_has_its_own_time() {
        let begun = Instant::now();
        let schedule = Schedule::new(&settings(5, 25), begun);
        assert_eq!((schedule.deaf, schedule.cut), (begun + 5 * SECOND, begun + 20 * SECOND));
        assert_eq!(schedule.step(2 * SECOND, begun + 20 * SECOND), 2 * SECOND);
        assert_eq!(schedule.step(9 * SECOND, begun + 22 * SECOND), 3 * SECOND);
        assert_eq!(schedule.step(2 * SECOND, begun + 30 * SECOND), SECOND, "late, but not in vain");
        let none = Schedule::new(&settings(0, 0), begun);
        assert_eq!((none.deaf, none.cut), (begun, begun));
    }

    #[test]
    fn batches_grow_when_the_time_would_not_suffice() {
        let settings = settings(5, 25);
        assert_eq!(batch_size(1_000, &settings, 15 * SECOND), 100, "as it was set");
        assert_eq!(batch_size(10_000, &settings, 15 * SECOND), 100, "a hundred rounds just suffice");
        assert_eq!(batch_size(50_000, &settings, 15 * SECOND), 500);
        assert_eq!(batch_size(50_000, &settings, Duration::ZERO), 50_000, "all at once");
        assert_eq!(batch_size(0, &settings, 15 * SECOND), 100);
    }
}
