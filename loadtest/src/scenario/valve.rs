//! When messages leave: at a pace, or as others arrive.

use std::time::{Duration, Instant};

use crate::measure::Pace;

/// How messages leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Load {
    /// Open loop: so many per second, whatever the server does.
    Paced(f64),
    /// Closed loop: so many under way.
    InFlight(u64),
}

impl Load {
    /// As a sentence of the report says it.
    pub(super) fn words(self) -> String {
        match self {
            Self::Paced(per_second) => format!("{per_second} a second, whatever the server does"),
            Self::InFlight(1) => "one after the other, each as soon as the one before is there".to_owned(),
            Self::InFlight(limit) => format!("{limit} on their way at once, the next as soon as one is there"),
        }
    }

    /// As the report calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Paced(_) => "paced",
            Self::InFlight(_) => "saturated",
        }
    }
}

/// Gives out what a load lets leave, until its time is over.
#[derive(Debug)]
pub(super) struct Valve {
    load: Load,
    pace: Pace,
    started: Instant,
    end: Instant,
    max_lag: Duration,
}

impl Valve {
    /// Opens now, for `duration`.
    pub(super) fn open(load: Load, duration: Duration) -> Self {
        let started = Instant::now();
        let per_second = if let Load::Paced(per_second) = load { per_second } else { 1.0 };
        Self { load, pace: Pace::new(started, per_second), started, end: started + duration, max_lag: Duration::ZERO }
    }

    /// The intended time of the next one, if it may leave now. Paced ones that were meant to leave before the end leave,
    /// however late: a rate is never lowered in silence.
    pub(super) fn next(&mut self, under_way: u64) -> Option<Instant> {
        let now = Instant::now();
        match self.load {
            Load::Paced(_) if self.pace.next_at() >= self.end => None,
            Load::Paced(_) => self.pace.take_due(now).inspect(|at| self.max_lag = self.max_lag.max(now - *at)),
            Load::InFlight(limit) => (now < self.end && under_way < limit).then_some(now),
        }
    }

    /// Whether nothing more will leave.
    pub(super) fn is_shut(&self) -> bool {
        match self.load {
            Load::Paced(_) => self.pace.next_at() >= self.end,
            Load::InFlight(_) => Instant::now() >= self.end,
        }
    }

    /// When something changes by time alone.
    pub(super) fn wake_at(&self) -> Instant {
        match self.load {
            Load::Paced(_) if !self.is_shut() => self.pace.next_at(),
            Load::InFlight(_) if !self.is_shut() => self.end,
            _ => Instant::now() + Duration::from_millis(50),
        }
    }

    /// The moment after which nothing more is awaited.
    pub(super) fn give_up_at(&self, drain: Duration) -> Instant {
        self.end + drain
    }

    /// Which load it lets through.
    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// Time since the opening, or the time it was opened for if that is not over: a paced take that finished in time lasted
    /// as long as it was asked to.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed().max(self.end - self.started)
    }

    /// How late the tool itself was with a message, at worst.
    pub(super) fn max_lag(&self) -> Duration {
        self.max_lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_keeps_its_number_under_way_and_a_paced_one_catches_up() {
        let mut closed = Valve::open(Load::InFlight(2), Duration::from_secs(60));
        assert!(closed.next(0).is_some() && closed.next(1).is_some() && closed.next(2).is_none());
        let mut over = Valve::open(Load::Paced(1000.0), Duration::from_millis(5));
        while Instant::now() < over.end {
            std::hint::spin_loop();
        }
        assert!(!over.is_shut());
        assert_eq!(std::iter::from_fn(|| over.next(0)).count(), 5);
        assert!(over.is_shut());
    }
}
