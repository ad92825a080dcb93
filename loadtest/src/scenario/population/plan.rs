//! What each process of the tool has to do.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::{MixedArgs, PopulationArgs, ReconnectArgs, Sizes};
use crate::client::{Endpoint, Vsn};
use crate::error::Error;

/// Given to a worker as its first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) urls: Vec<String>,
    pub(super) vsn: Vsn,
    pub(super) join_payload: String,
    pub(super) heartbeat: Duration,
    pub(super) sources: Vec<IpAddr>,
    pub(super) window: usize,
    pub(super) patience: Duration,
    /// Of this worker alone, as all rates here.
    pub(super) connects_per_second: Option<f64>,
    pub(super) topic: String,
    /// Of the first topic, and of the first member.
    pub(super) first_topic: usize,
    pub(super) first_member: usize,
    /// Members of each topic.
    pub(super) sizes: Vec<usize>,
    pub(super) event: String,
    pub(super) payload_bytes: usize,
    pub(super) messages_per_second: f64,
    pub(super) typing_per_second: f64,
    pub(super) typing_event: String,
    pub(super) duration: Duration,
    pub(super) drain: Duration,
    pub(super) seed: u64,
    pub(super) life: Life,
}

/// What members do beside listening.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Life {
    /// They stay.
    Stay,
    /// A share of them is cut now and then and comes back.
    Waves { every: Duration, share: f64, away: Duration, recover: bool },
    /// Each goes after a while, and another one comes in its place.
    Sessions { mean: Duration },
}

/// How a population lives.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) life: Life,
    pub(super) sizes: Sizes,
    pub(super) typing: f64,
    pub(super) typing_event: String,
}

impl Style {
    pub(super) const STEADY: Self =
        Self { life: Life::Stay, sizes: Sizes::Even, typing: 0.0, typing_event: String::new() };

    pub(super) fn waves(args: &ReconnectArgs) -> Self {
        let ReconnectArgs { wave_every: every, wave_share: share, away, recover, .. } = *args;
        Self { life: Life::Waves { every, share, away, recover }, ..Self::STEADY }
    }

    pub(super) fn chat(args: &MixedArgs) -> Self {
        let (life, typing_event) = (Life::Sessions { mean: args.session }, args.typing_event.clone());
        Self { life, sizes: args.sizes, typing: args.typing, typing_event }
    }
}

impl Plan {
    /// Whether members ask for what they missed.
    pub(super) fn recovers(&self) -> bool {
        matches!(self.life, Life::Waves { recover: true, .. })
    }

    pub(super) fn members(&self) -> usize {
        self.sizes.iter().sum()
    }
}

/// Messages per second over all topics.
pub(super) fn messages_per_second(args: &PopulationArgs, topics: usize) -> f64 {
    let members = args.spread.connections as f64 / topics as f64;
    args.rate.or_else(|| args.deliveries.map(|deliveries| deliveries / members)).unwrap_or(20.0)
}

/// Deals the topics out to the workers, so that each has about as many members.
///
/// # Errors
/// When a worker would have no topic, or no source address of its own.
pub(super) fn plans(args: &PopulationArgs, style: &Style, seed: u64) -> Result<Vec<Plan>, Error> {
    let sizes = sizes(args, style.sizes);
    let workers = args.workers as usize;
    if sizes.len() < workers {
        return Err(Error::Usage(format!("{} topics are too few for {workers} workers", sizes.len())));
    }
    let target = &args.common.target;
    let (topics, members, messages) = (sizes.len(), args.spread.connections, messages_per_second(args, sizes.len()));
    let (mut plans, mut first_topic, mut first_member) = (Vec::new(), 0, 0);
    for worker in 0..workers {
        let end = members * (worker + 1) / workers;
        let (mut last_topic, mut reached) = (first_topic, first_member);
        // A worker has at least one topic, and leaves one for each of those that follow.
        let keep = workers - worker - 1;
        while last_topic < topics - keep
            && (last_topic == first_topic || reached + sizes[last_topic] / 2 < end || keep == 0)
        {
            reached += sizes[last_topic];
            last_topic += 1;
        }
        let own = sizes[first_topic..last_topic].to_vec();
        let share = own.len() as f64 / topics as f64;
        plans.push(Plan {
            urls: target.urls.clone(),
            vsn: target.vsn,
            join_payload: target.join_payload.clone(),
            heartbeat: target.heartbeat,
            sources: sources(args, worker)?,
            window: (target.window / workers).max(1),
            patience: target.patience,
            connects_per_second: args.connect_rate.map(|rate| rate * (reached - first_member) as f64 / members as f64),
            topic: args.spread.topic.clone(),
            first_topic,
            first_member,
            sizes: own,
            event: args.event.clone(),
            payload_bytes: args.payload_bytes,
            messages_per_second: messages * share,
            typing_per_second: style.typing * share,
            typing_event: style.typing_event.clone(),
            duration: args.duration,
            drain: args.drain,
            seed: seed.wrapping_add(worker as u64),
            life: style.life,
        });
        (first_topic, first_member) = (last_topic, reached);
    }
    Ok(plans)
}

/// Members of each topic; a topic has two at least, who speaks and who listens.
fn sizes(args: &PopulationArgs, sizes: Sizes) -> Vec<usize> {
    let members = args.spread.connections.max(2);
    let topics = members.div_ceil(args.spread.connections_per_topic.max(2)).min(members / 2);
    let weight = |topic: usize| match sizes {
        Sizes::Even => 1.0,
        Sizes::Uneven => 1.0 / (topic + 1) as f64,
    };
    let (all, spare) = ((0..topics).map(weight).sum::<f64>(), members - 2 * topics);
    let mut sizes: Vec<usize> = (0..topics).map(|topic| 2 + (spare as f64 * weight(topic) / all) as usize).collect();
    // What rounding left over.
    let rest = members - sizes.iter().sum::<usize>();
    for left in 0..rest {
        sizes[left % topics] += 1;
    }
    sizes
}

/// Workers must not take each other's ports.
fn sources(args: &PopulationArgs, worker: usize) -> Result<Vec<IpAddr>, Error> {
    let target = &args.common.target;
    let own: Vec<_> = target.sources.iter().skip(worker).step_by(args.workers as usize).copied().collect();
    if !own.is_empty() || args.workers == 1 {
        return Ok(own);
    }
    let here = |url: &String| Endpoint::parse(url, target.vsn).map(|endpoint| endpoint.address.ip());
    let addresses = target.urls.iter().map(here).collect::<Result<Vec<_>, _>>()?;
    if target.sources.is_empty() && addresses.iter().all(|ip| ip.is_ipv4() && ip.is_loopback()) {
        return Ok(vec![Ipv4Addr::new(127, 0, 77, worker as u8 + 1).into()]);
    }
    Err(Error::Usage(format!("{} workers need as many --source addresses", args.workers)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &str) -> PopulationArgs {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Some(Command::Soak(args)) = cli.command else { panic!("another command") };
        args.population
    }

    #[test]
    fn workers_share_everything_and_nothing_twice() {
        for (connections, workers) in [(1000, 3), (20, 2), (7, 1), (45, 4)] {
            let args = args(&format!("loadtest soak --connections {connections} --workers {workers} --rate 50"));
            for sizes in [Sizes::Even, Sizes::Uneven] {
                let Ok(plans) = plans(&args, &Style { sizes, ..Style::STEADY }, 1) else {
                    assert!(connections / 10 < workers, "{connections} {workers}");
                    continue;
                };
                assert_eq!(plans.len(), workers);
                assert_eq!(plans.iter().map(Plan::members).sum::<usize>(), connections);
                let rate: f64 = plans.iter().map(|plan| plan.messages_per_second).sum();
                assert!((rate - 50.0).abs() < 1e-9, "{rate}");
                for pair in plans.windows(2) {
                    assert_eq!(pair[1].first_topic, pair[0].first_topic + pair[0].sizes.len());
                    assert_eq!(pair[1].first_member, pair[0].first_member + pair[0].members());
                    assert_ne!(pair[0].sources, pair[1].sources);
                }
                assert!(plans.iter().all(|plan| plan.sizes.iter().all(|size| *size >= 2)));
            }
        }
    }

    #[test]
    fn deliveries_are_messages_times_members() {
        let args = args("loadtest soak --connections 1000 --connections-per-topic 100 --deliveries 20000");
        assert!((messages_per_second(&args, 10) - 200.0).abs() < 1e-9);
    }

    #[test]
    fn uneven_topics_have_a_large_one_and_small_ones() {
        let sizes = sizes(&args("loadtest soak --connections 1000"), Sizes::Uneven);
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (100, 1000));
        assert!(sizes[0] > 100 && sizes[99] <= 4, "{sizes:?}");
    }

    #[test]
    fn a_far_server_needs_a_source_for_each_worker() {
        let args = args("loadtest soak --workers 2 --url ws://192.0.2.1:1/s --source 192.0.2.2");
        assert!(plans(&args, &Style::STEADY, 1).is_err());
    }
}
