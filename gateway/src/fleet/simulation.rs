//! Many pods and their clients, second by second: does it settle, and does it stay so?

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::balancer::{Balancer, Verdict};

/// How often pods look at each other's leases, in seconds: half of the default heartbeat.
const LOOK: u64 = 5;

/// How old a count in a lease may be by then, in seconds: the other half.
const STALE: usize = 6;

/// How many a pod sends away each second.
const RATE: u64 = 20;

/// Where a client comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    /// Any pod, as round robin over many proxies is.
    Random,
    /// The one with the fewest.
    LeastConnections,
}

struct Pod {
    connections: u64,
    /// What it said in its lease in the last seconds, the oldest first.
    told: [u64; STALE],
    balancer: Balancer,
    surplus: u64,
    shed: u64,
    futile: u64,
    takes_clients: bool,
}

struct Fleet {
    pods: Vec<Pod>,
    placement: Placement,
    random: StdRng,
    seconds: u64,
    /// Clients on their way back, by the second in which they come.
    returning: Vec<u64>,
}

impl Fleet {
    fn new(counts: &[u64], placement: Placement) -> Self {
        let pods = counts.iter().map(|&connections| Pod {
            connections,
            told: [connections; STALE],
            balancer: Balancer::new(20),
            surplus: 0,
            shed: 0,
            futile: 0,
            takes_clients: true,
        });
        let random = StdRng::seed_from_u64(7);
        Self { pods: pods.collect(), placement, random, seconds: 0, returning: vec![0; 8] }
    }

    fn place(&mut self) {
        let open: Vec<usize> = (0..self.pods.len()).filter(|&pod| self.pods[pod].takes_clients).collect();
        let pod = match self.placement {
            Placement::Random => open[self.random.random_range(0..open.len())],
            Placement::LeastConnections => {
                open.into_iter().min_by_key(|&pod| self.pods[pod].connections).expect("a pod takes clients")
            }
        };
        self.pods[pod].connections += 1;
    }

    /// Any client leaves.
    fn leave(&mut self) {
        let all: u64 = self.pods.iter().map(|pod| pod.connections).sum();
        let mut which = self.random.random_range(0..all);
        for pod in &mut self.pods {
            if which < pod.connections {
                pod.connections -= 1;
                return;
            }
            which -= pod.connections;
        }
    }

    /// One second, in which so many clients come and so many go.
    fn second(&mut self, come: u64, go: u64) {
        for _ in 0..self.returning.remove(0) + come {
            self.place();
        }
        self.returning.push(0);
        for _ in 0..go {
            self.leave();
        }
        for pod in &mut self.pods {
            let sent = pod.surplus.min(RATE).min(pod.connections);
            (pod.surplus, pod.shed, pod.connections) = (pod.surplus - sent, pod.shed + sent, pod.connections - sent);
            for _ in 0..sent {
                // phoenix.js tries at once, others wait for some seconds.
                self.returning[self.random.random_range(0..8)] += 1;
            }
            pod.told.rotate_left(1);
            pod.told[STALE - 1] = pod.connections;
        }
        self.seconds += 1;
        let told: Vec<[u64; STALE]> = self.pods.iter().map(|pod| pod.told).collect();
        for (index, pod) in self.pods.iter_mut().enumerate() {
            // They do not look in step.
            if !(self.seconds + index as u64).is_multiple_of(LOOK) {
                continue;
            }
            let begin = self.random.random_range(0..STALE);
            let stale = |(other, told): (usize, &[u64; STALE])| (other != index).then(|| told[(begin + other) % STALE]);
            let others: Vec<u64> = told.iter().enumerate().filter_map(stale).collect();
            pod.surplus = match pod.balancer.look(pod.connections, &others, pod.shed) {
                Verdict::Surplus(surplus) => surplus,
                Verdict::Steady => 0,
                Verdict::Futile => {
                    pod.futile += 1;
                    0
                }
            };
        }
    }

    fn run(&mut self, seconds: u64) {
        (0..seconds).for_each(|_| self.second(0, 0));
    }

    fn shed(&self) -> u64 {
        self.pods.iter().map(|pod| pod.shed).sum()
    }

    /// How far the fullest pod is above the mean, as a share of it.
    fn imbalance(&self) -> f64 {
        let counts = self.pods.iter().map(|pod| pod.connections as f64);
        let mean = counts.clone().sum::<f64>() / self.pods.len() as f64;
        counts.fold(0.0, f64::max) / mean - 1.0
    }
}

/// Settles within some time, moves no more clients than it needs to, and is quiet then.
fn settles(mut fleet: Fleet, seconds: u64, most_shed: u64) {
    let (pods, placement) = (fleet.pods.len(), fleet.placement);
    let before: Vec<u64> = fleet.pods.iter().map(|pod| pod.connections).collect();
    let mean = before.iter().sum::<u64>() / before.len() as u64;
    fleet.run(seconds);
    let shed = fleet.shed();
    assert!(fleet.imbalance() <= 0.2, "{pods} pods, {placement:?}: {} above the mean", fleet.imbalance());
    assert!(shed <= most_shed, "{pods} pods, {placement:?}: {shed} were sent away");
    for (pod, before) in fleet.pods.iter().zip(before) {
        // By chance those in the middle get their share of the clients of the full ones, and may have to pass some on.
        let full = before > mean || placement == Placement::Random;
        assert!(pod.shed == 0 || full, "a pod of {before} has sent {} away, the mean is {mean}", pod.shed);
        assert_eq!(pod.futile, 0);
    }
    fleet.run(2 * 3600);
    assert_eq!(fleet.shed(), shed, "it is quiet from then on");
}

#[test]
fn three_pods_become_six() {
    // 18,000 have to be elsewhere at the end; by chance, half of those who move come back.
    settles(Fleet::new(&[6000, 6000, 6000, 0, 0, 0], Placement::Random), 1800, 20_000);
    settles(Fleet::new(&[6000, 6000, 6000, 0, 0, 0], Placement::LeastConnections), 600, 9_000);
}

#[test]
fn fifty_pods_get_ten_more_and_one_pod_is_alone_with_all() {
    let grown: Vec<u64> = (0..60).map(|pod| if pod < 50 { 10_000 } else { 0 }).collect();
    // A sixth above the mean is within the tolerance.
    let mut fleet = Fleet::new(&grown, Placement::Random);
    fleet.run(3600);
    assert_eq!(fleet.shed(), 0);
    let doubled: Vec<u64> = (0..50).map(|pod| if pod < 25 { 4_000 } else { 0 }).collect();
    settles(Fleet::new(&doubled, Placement::Random), 1800, 120_000);
    settles(Fleet::new(&doubled, Placement::LeastConnections), 900, 50_000);
    let alone: Vec<u64> = (0..50).map(|pod| if pod == 7 { 20_000 } else { 100 }).collect();
    settles(Fleet::new(&alone, Placement::Random), 1800, 21_000);
}

#[test]
fn uneven_pods_settle_from_any_start() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let pods = random.random_range(2..40);
        let counts: Vec<u64> = (0..pods).map(|_| random.random_range(0..8_000)).collect();
        let mean = counts.iter().sum::<u64>() / pods;
        let excess: u64 = counts.iter().map(|count| count.saturating_sub(mean)).sum();
        let placement = if seed % 2 == 0 { Placement::Random } else { Placement::LeastConnections };
        settles(Fleet::new(&counts, placement), 3600, 3 * excess);
    }
}

#[test]
fn a_few_clients_settle_too() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let counts: Vec<u64> = (0..random.random_range(2..6)).map(|_| random.random_range(0..400)).collect();
        let placement = if seed % 2 == 0 { Placement::Random } else { Placement::LeastConnections };
        let mut fleet = Fleet::new(&counts, placement);
        // With so few, chance can make it look as if it did not help: then it rests for ten minutes and goes on.
        fleet.run(2 * 3600);
        let shed = fleet.shed();
        fleet.run(3600);
        assert_eq!(fleet.shed(), shed, "{counts:?} are quiet then");
        assert!(fleet.imbalance() < 0.7 && shed <= 3 * counts.iter().sum::<u64>(), "{counts:?} {shed}");
    }
}

#[test]
fn clients_that_come_and_go_by_chance_are_left_alone() {
    let mut fleet = Fleet::new(&[200; 20], Placement::Random);
    (0..4 * 3600).for_each(|_| fleet.second(10, 10));
    assert_eq!(fleet.shed(), 0);
}

#[test]
fn it_settles_while_clients_come_and_go() {
    let mut fleet = Fleet::new(&[6000, 6000, 6000, 0, 0, 0], Placement::Random);
    (0..1800).for_each(|_| fleet.second(20, 10));
    let shed = fleet.shed();
    assert!(fleet.imbalance() <= 0.2 && shed <= 20_000, "{} {shed}", fleet.imbalance());
    (0..3600).for_each(|_| fleet.second(10, 10));
    assert_eq!(fleet.shed(), shed);
}

#[test]
fn a_pod_to_which_nobody_is_sent_costs_little() {
    let mut fleet = Fleet::new(&[3000, 3000, 0], Placement::Random);
    fleet.pods[2].takes_clients = false;
    fleet.run(4 * 3600);
    let most = fleet.pods.iter().map(|pod| pod.futile).max();
    // Once about every ten minutes the surplus, which is 800, and what is sent until the next look.
    assert!(most >= Some(10) && fleet.shed() <= 2 * 24 * 1000, "{}", fleet.shed());
}
