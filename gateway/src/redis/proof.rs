//! How a connection shows that it is alive: a PING for the connection, a canary for its subscriptions. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::ConnectionError;

/// The state of one connection's proofs.
#[derive(Debug)]
pub(super) struct Proof {
    heartbeat: Duration,
    patience: Duration,
    next: Instant,
    pinged: Option<Instant>,
    canary: Option<Canary>,
}

#[derive(Debug)]
struct Canary {
    sent: Instant,
    /// Whether Redis took it: if not, that it is not heard means nothing.
    accepted: bool,
}

impl Proof {
    /// A connection that was just pinged for the first time; everything it subscribed is answered before that.
    pub(super) fn new(now: Instant, heartbeat: Duration, patience: Duration) -> Self {
        // The first answer stands behind a whole resubscription.
        let first = now + 2 * patience;
        Self { heartbeat, patience, next: now + heartbeat, pinged: Some(first), canary: None }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        let ping = self.pinged.map(|at| at + self.patience);
        let canary = self.canary.as_ref().filter(|canary| canary.accepted).map(|canary| canary.sent + self.patience);
        [ping, canary].into_iter().flatten().fold(self.next, Instant::min)
    }

    /// Whether a ping and a canary are to be sent now.
    ///
    /// # Errors
    /// When an answer is overdue.
    pub(super) fn check(&mut self, now: Instant) -> Result<bool, ConnectionError> {
        if self.pinged.is_some_and(|at| at + self.patience <= now) {
            return Err(ConnectionError::Timeout("PING"));
        }
        if self.canary.as_ref().is_some_and(|canary| canary.accepted && canary.sent + self.patience <= now) {
            return Err(ConnectionError::Timeout("the canary"));
        }
        if now < self.next {
            return Ok(false);
        }
        self.next = now + self.heartbeat;
        let free = self.pinged.is_none() && self.canary.is_none();
        if free {
            self.pinged = Some(now);
            self.canary = Some(Canary { sent: now, accepted: false });
        }
        Ok(free)
    }

    /// Somebody doubts the connection: prove it now.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.next = now;
    }

    pub(super) fn ponged(&mut self) {
        self.pinged = None;
    }

    /// Redis took the canary, or not.
    pub(super) fn canary_sent(&mut self, accepted: bool) {
        match &mut self.canary {
            Some(canary) if accepted => canary.accepted = true,
            _ => self.canary = None,
        }
    }

    pub(super) fn canary_heard(&mut self) {
        self.canary = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(10);
    const PATIENCE: Duration = Duration::from_secs(3);

    fn proven(now: Instant) -> Proof {
        let mut proof = Proof::new(now, BEAT, PATIENCE);
        proof.ponged();
        proof
    }

    #[test]
    fn a_heartbeat_asks_and_is_answered() {
        let start = Instant::now();
        let mut proof = proven(start);
        assert_eq!(proof.due(), start + BEAT);
        assert!(!proof.check(start).unwrap());
        assert!(proof.check(start + BEAT).unwrap());
        proof.canary_sent(true);
        proof.ponged();
        proof.canary_heard();
        assert!(proof.check(start + 2 * BEAT).unwrap());
    }

    #[test]
    fn a_missing_pong_is_the_end() {
        let start = Instant::now();
        let mut proof = proven(start);
        proof.check(start + BEAT).unwrap();
        assert_eq!(proof.due(), start + BEAT + PATIENCE);
        assert!(matches!(proof.check(proof.due()), Err(ConnectionError::Timeout("PING"))));
    }

    #[test]
    fn a_canary_that_is_not_heard_is_the_end_if_it_was_sent() {
        let start = Instant::now();
        let mut proof = proven(start);
        proof.check(start + BEAT).unwrap();
        proof.ponged();
        assert!(!proof.check(start + BEAT + PATIENCE).unwrap(), "not known to be sent");
        proof.canary_sent(true);
        assert!(matches!(proof.check(start + BEAT + PATIENCE), Err(ConnectionError::Timeout("the canary"))));
        let mut proof = proven(start);
        proof.check(start + BEAT).unwrap();
        proof.ponged();
        proof.canary_sent(false);
        assert_eq!(proof.due(), start + 2 * BEAT);
    }

    #[test]
    fn a_doubt_brings_the_proof_forward() {
        let start = Instant::now();
        let mut proof = proven(start);
        proof.hasten(start);
        assert!(proof.check(start).unwrap());
        proof.hasten(start);
        assert!(!proof.check(start).unwrap(), "one proof at a time");
    }

    #[test]
    fn the_first_answer_may_take_longer() {
        let start = Instant::now();
        let mut proof = Proof::new(start, BEAT, PATIENCE);
        assert!(proof.check(start + 3 * PATIENCE).is_err());
        let mut proof = Proof::new(start, BEAT, PATIENCE);
        assert!(proof.check(start + 2 * PATIENCE).is_ok());
    }
}
