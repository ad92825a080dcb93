/// So many connections more or less are never worth a reconnect.
const LEAST_SLACK: f64 = 10.0;

/// Where each client comes to any pod by chance, pods differ by so many standard deviations and no more.
const CHANCE: f64 = 4.0;

/// How many looks are waited for when it did not help: at the default heartbeat some ten minutes.
const REST: u32 = 120;

/// Decides how many connections a pod should send away.
///
/// It begins when the pod is above the mean by more than the slack, and ends at half the slack: so what chance does to a pod
/// does not make it begin again. The mean does not change when clients move, so pods need not agree on anything, and what
/// they know of each other may be some seconds old. It is given up for a while when those who were sent away come back: the
/// balancer keeps them here, or sends nobody to some pod.
#[derive(Debug)]
pub(super) struct Balancer {
    /// As a share of the mean.
    tolerance: f64,
    round: Option<Round>,
    resting: u32,
}

/// How it was when the pod began to send connections away.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// The pod's connections, by the mean.
    ratio: f64,
    /// The surplus that there was.
    surplus: f64,
    /// How many had been sent away before.
    shed: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Steady,
    /// So many should go elsewhere.
    Surplus(u64),
    /// Nothing for a while: it has not helped.
    Futile,
}

impl Balancer {
    /// `tolerance` is in percent of the mean.
    pub(super) fn new(tolerance: usize) -> Self {
        Self { tolerance: count(tolerance as u64) / 100.0, round: None, resting: 0 }
    }

    /// Looks at the pod's own connections and those of the others; `shed` is how many were sent away so far.
    pub(super) fn look(&mut self, own: u64, others: &[u64], shed: u64) -> Verdict {
        let pods = count(others.len() as u64 + 1);
        let mean = count(others.iter().sum::<u64>() + own) / pods;
        let slack = (self.tolerance * mean).max(CHANCE * mean.sqrt()).max(LEAST_SLACK);
        let own = count(own);
        if self.resting > 0 {
            self.resting -= 1;
            return Verdict::Steady;
        }
        let floor = mean + slack / 2.0;
        let begins = if self.round.is_some() { own > floor } else { own > mean + slack };
        if !begins {
            self.round = None;
            return Verdict::Steady;
        }
        let round = *self.round.get_or_insert(Round { ratio: own / mean, surplus: own - floor, shed });
        let sent = count(shed.saturating_sub(round.shed));
        // By the mean, so that it does not matter whether all pods get more clients meanwhile.
        let gone = (round.ratio - own / mean) * mean;
        // Of those who come to any pod by chance, this share does not come back. Half of it is enough to go on.
        let share = 1.0 - 1.0 / round.ratio;
        if sent >= round.surplus && gone < sent * share / 2.0 {
            (self.round, self.resting) = (None, REST);
            return Verdict::Futile;
        }
        Verdict::Surplus(whole(own - floor))
    }
}

/// Counts of connections are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn count(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is positive, and small")]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_above_the_slack_and_ends_at_half_of_it() {
        let mut balancer = Balancer::new(20);
        assert_eq!(balancer.look(1199, &[900, 900], 0), Verdict::Steady, "199 above a mean of 1000");
        assert_eq!(balancer.look(1300, &[850, 850], 0), Verdict::Surplus(200));
        assert_eq!(balancer.look(1150, &[925, 925], 150), Verdict::Surplus(50), "goes on");
        assert_eq!(balancer.look(1100, &[950, 950], 200), Verdict::Steady);
        assert_eq!(balancer.look(1150, &[925, 925], 200), Verdict::Steady, "does not begin again");
    }

    #[test]
    fn what_chance_does_is_no_imbalance() {
        let mut balancer = Balancer::new(20);
        assert_eq!(balancer.look(139, &[61], 0), Verdict::Steady, "39 above a mean of 100");
        assert_eq!(balancer.look(141, &[59], 0), Verdict::Surplus(21));
        assert_eq!(Balancer::new(1).look(14, &[0, 0], 0), Verdict::Steady, "a few connections");
    }

    #[test]
    fn alone_there_is_nowhere_to_send_anybody() {
        let mut balancer = Balancer::new(20);
        assert_eq!(balancer.look(10_000, &[], 0), Verdict::Steady);
        assert_eq!(balancer.look(0, &[], 0), Verdict::Steady);
        assert_eq!(balancer.look(0, &[0, 0], 0), Verdict::Steady);
    }

    #[test]
    fn it_is_given_up_for_a_while_when_they_come_back() {
        let mut balancer = Balancer::new(20);
        assert_eq!(balancer.look(1500, &[1500, 0], 0), Verdict::Surplus(400));
        assert_eq!(balancer.look(1500, &[1500, 0], 399), Verdict::Surplus(400));
        assert_eq!(balancer.look(1500, &[1500, 0], 400), Verdict::Futile);
        for _ in 0..REST {
            assert_eq!(balancer.look(1500, &[1500, 0], 400), Verdict::Steady);
        }
        assert_eq!(balancer.look(1500, &[1500, 0], 400), Verdict::Surplus(400), "tried again");
    }

    #[test]
    fn growth_of_all_does_not_look_like_those_who_come_back() {
        let mut balancer = Balancer::new(20);
        assert_eq!(balancer.look(2000, &[2000, 0, 0], 0), Verdict::Surplus(900));
        // Half of a thousand came back, and as many new clients.
        assert!(matches!(balancer.look(2000, &[2000, 1000, 1000], 1000), Verdict::Surplus(_)));
    }
}
