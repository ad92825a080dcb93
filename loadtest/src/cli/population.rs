//! The flags of the scenarios in which a population lives on a server for a while.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::shared::{CommonArgs, SpreadArgs};
use super::values::{duration, positive, share};

/// What all of them take.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct PopulationArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) spread: SpreadArgs,
    /// Process id of a Redis behind the server, counted apart from it; repeat it for several.
    #[arg(long = "redis-pid", value_name = "PID")]
    pub(crate) redis_pids: Vec<u32>,
    /// Processes of the tool itself; one holds as many connections as it may have descriptors. On the loopback each connects
    /// from an address of its own, unless there are as many --source.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) workers: u64,
    /// Connections opened per second, in all; as fast as --window allows if it is not given.
    #[arg(long, value_parser = positive, value_name = "PER_SECOND")]
    pub(crate) connect_rate: Option<f64>,
    /// Messages per second over all topics; each topic has one publisher. Open loop.
    #[arg(long, value_parser = positive, conflicts_with = "deliveries")]
    pub(crate) rate: Option<f64>,
    /// Deliveries per second over all connections, in place of --rate.
    #[arg(long, value_parser = positive, value_name = "PER_SECOND")]
    pub(crate) deliveries: Option<f64>,
    /// The event that publishers push and the server's application broadcasts.
    #[arg(long, default_value = "message")]
    pub(crate) event: String,
    /// Size of the pushed JSON payload.
    #[arg(long, default_value_t = 64)]
    pub(crate) payload_bytes: usize,
    /// How long messages are sent, once all have joined.
    #[arg(long, value_parser = duration, default_value = "60s")]
    pub(crate) duration: Duration,
    /// How long to wait for what is under way at the end.
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) drain: Duration,
    /// Fails if memory of the server grows by more than this percentage from the first tenth of the time to the last.
    #[arg(long, value_parser = positive, value_name = "PERCENT")]
    pub(crate) max_memory_growth: Option<f64>,
    /// Fails if the server's CPU per delivery is more, in microseconds.
    #[arg(long, value_parser = positive, value_name = "US")]
    pub(crate) max_cpu_per_delivery: Option<f64>,
    /// Repeats the random decisions of another run.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) population: PopulationArgs,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct ReconnectArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) population: PopulationArgs,
    /// Time between two waves.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) wave_every: Duration,
    /// Share of the connections that a wave cuts, publishers excepted.
    #[arg(long, value_parser = share, default_value = "0.2")]
    pub(crate) wave_share: f64,
    /// How long those who were cut stay away; each a random part of it.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub(crate) away: Duration,
    /// Asks for the messages that were missed (`offsets=1`, `recover`), and fails if one is missing, twice or out of order.
    #[arg(long)]
    pub(crate) recover: bool,
}

/// How members are spread over topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sizes {
    /// All topics alike.
    Even,
    /// A few large ones and many small ones (Zipf).
    Uneven,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct MixedArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) population: PopulationArgs,
    /// How members are spread over topics.
    #[arg(long, value_enum, default_value = "uneven")]
    pub(crate) sizes: Sizes,
    /// How long a member stays on average before it leaves and another one comes.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) session: Duration,
    /// Events per second, over all topics, that nobody waits for and nobody counts as lost: somebody is typing.
    #[arg(long, value_parser = positive, default_value = "20")]
    pub(crate) typing: f64,
    /// That event. Like --event it must be one that the server's application handles.
    #[arg(long, default_value = "typing")]
    pub(crate) typing_event: String,
}
