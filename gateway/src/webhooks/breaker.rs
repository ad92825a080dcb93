//! When a back end is left alone. Pure: the time is handed in.
//!
//! `closed -> open -> probing -> closed | open`. Open means that nothing is sent for a while; then one call goes first,
//! and its outcome decides for all.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures one after the other open it.
const THRESHOLD: u32 = 5;

/// How long it stays open at first; each probe that fails doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Counts what calls to one back end came to.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    failures: u32,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Normal,
    /// The one on which it depends whether others may follow.
    Probe,
}

/// What a call says about its back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It answered, whatever it answered.
    Alive,
    /// It did not answer, or said that it can't.
    Failed,
    /// Nothing: the call was given up for other reasons.
    Unknown,
}

/// What a call changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self { state: State::Closed, failures: 0, pause: FIRST_PAUSE }
    }

    /// Whether no call would be admitted now.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => false,
            State::Open { until } => now < until,
            State::Probing => true,
        }
    }

    /// Admits a call, which must be settled.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Admission> {
        if self.is_shut(now) {
            return None;
        }
        Some(match self.state {
            State::Closed => Admission::Normal,
            State::Open { .. } | State::Probing => {
                self.state = State::Probing;
                Admission::Probe
            }
        })
    }

    /// Takes the outcome of a call. What began before it opened says nothing any more.
    pub(super) fn settle(&mut self, admission: Admission, health: Health, now: Instant) -> Change {
        match (self.state, admission, health) {
            (State::Closed, _, Health::Alive) => self.failures = 0,
            (State::Closed, _, Health::Failed) => {
                self.failures += 1;
                if self.failures >= THRESHOLD {
                    self.pause = FIRST_PAUSE;
                    self.state = State::Open { until: now + self.pause };
                    return Change::Opened;
                }
            }
            (State::Probing, Admission::Probe, Health::Alive) => {
                *self = Self::new();
                return Change::Closed;
            }
            (State::Probing, Admission::Probe, Health::Failed) => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.state = State::Open { until: now + self.pause };
            }
            // The next call is the probe.
            (State::Probing, Admission::Probe, Health::Unknown) => self.state = State::Open { until: now },
            _ => {}
        }
        Change::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A breaker and its time.
    struct Fixture {
        breaker: Breaker,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            Self { breaker: Breaker::new(), now: Instant::now() }
        }

        fn call(&mut self, health: Health) -> Option<Change> {
            let admission = self.breaker.admit(self.now)?;
            Some(self.breaker.settle(admission, health, self.now))
        }

        fn open() -> Self {
            let mut fixture = Self::new();
            for _ in 1..THRESHOLD {
                assert_eq!(fixture.call(Health::Failed), Some(Change::None));
            }
            assert_eq!(fixture.call(Health::Failed), Some(Change::Opened));
            fixture
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_only_then() {
        let mut fixture = Fixture::new();
        for _ in 0..3 {
            for _ in 1..THRESHOLD {
                assert_eq!(fixture.call(Health::Failed), Some(Change::None));
            }
            assert_eq!(fixture.call(Health::Unknown), Some(Change::None));
            assert_eq!(fixture.call(Health::Alive), Some(Change::None));
        }
        assert_eq!(Fixture::open().call(Health::Alive), None);
    }

    #[test]
    fn one_probe_goes_first_and_closes_it() {
        let mut fixture = Fixture::open();
        fixture.pass(FIRST_PAUSE - Duration::from_millis(1));
        assert!(fixture.breaker.is_shut(fixture.now));
        fixture.pass(Duration::from_millis(1));
        assert!(!fixture.breaker.is_shut(fixture.now));
        let probe = fixture.breaker.admit(fixture.now).unwrap();
        assert_eq!(probe, Admission::Probe);
        assert_eq!(fixture.breaker.admit(fixture.now), None, "one at a time");
        assert_eq!(fixture.breaker.settle(probe, Health::Alive, fixture.now), Change::Closed);
        for _ in 1..THRESHOLD {
            assert_eq!(fixture.call(Health::Failed), Some(Change::None), "it counts from the beginning");
        }
    }

    #[test]
    fn a_failed_probe_keeps_it_open_for_longer_each_time_up_to_a_limit() {
        let mut fixture = Fixture::open();
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            fixture.pass(pause);
            assert_eq!(fixture.call(Health::Failed), Some(Change::None));
            pause = (pause * 2).min(LONGEST_PAUSE);
            fixture.pass(pause - Duration::from_millis(1));
            assert_eq!(fixture.call(Health::Alive), None);
            fixture.pass(Duration::from_millis(1));
            assert!(!fixture.breaker.is_shut(fixture.now));
            fixture.now -= pause;
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[test]
    fn a_probe_that_was_given_up_leaves_its_place_to_the_next() {
        let mut fixture = Fixture::open();
        fixture.pass(FIRST_PAUSE);
        assert_eq!(fixture.call(Health::Unknown), Some(Change::None));
        assert_eq!(fixture.call(Health::Alive), Some(Change::Closed));
    }

    #[test]
    fn calls_from_before_it_opened_change_nothing() {
        let mut fixture = Fixture::new();
        let early: Vec<_> = (0..3).map(|_| fixture.breaker.admit(fixture.now).unwrap()).collect();
        for _ in 0..THRESHOLD {
            fixture.call(Health::Failed);
        }
        for (admission, health) in early.into_iter().zip([Health::Alive, Health::Failed, Health::Unknown]) {
            assert_eq!(fixture.breaker.settle(admission, health, fixture.now), Change::None);
            assert!(fixture.breaker.is_shut(fixture.now));
        }
    }
}
