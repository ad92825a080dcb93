//! The flags of each scenario.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::shared::{CommonArgs, SpreadArgs, TakeArgs};
use super::values::{bytes, duration, positive};

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) spread: SpreadArgs,
    /// How long to hold the connections after memory has settled.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) hold: Duration,
    /// How long to wait, at most, for memory to settle.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) settle: Duration,
    /// Fails if a connection costs the server more resident memory than this (3KiB).
    #[arg(long, value_parser = bytes, value_name = "SIZE")]
    pub(crate) max_rss_per_connection: Option<u64>,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct FanoutArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    /// How many subscribers, beside the publisher.
    #[arg(long, default_value_t = 1000)]
    pub(crate) subscribers: usize,
    /// Paced (open loop): messages per second; 20 if --in-flight is not given either. With both, both are run in turn.
    #[arg(long, value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// Saturated (closed loop): messages under way at once; one is done when all subscribers have it.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) in_flight: Option<u64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) takes: TakeArgs,
    /// The topic.
    #[arg(long, default_value = "room:loadtest")]
    pub(crate) topic: String,
    /// The event that the publisher pushes and the server broadcasts.
    #[arg(long, default_value = "message")]
    pub(crate) event: String,
    /// Size of the pushed JSON payload.
    #[arg(long, default_value_t = 64)]
    pub(crate) payload_bytes: usize,
    /// Starts a floor and runs the same against it, in turn with the server: paced against one write per delivery,
    /// saturated against one that coalesces.
    #[arg(long)]
    pub(crate) with_floor: bool,
    /// Fails if the paced CPU per delivery is more than this many times the floor's (median of the rounds).
    #[arg(long, value_parser = positive, requires = "with_floor")]
    pub(crate) max_ratio: Option<f64>,
    /// Fails if the saturated CPU per delivery is more than this many times the coalescing floor's.
    #[arg(long, value_parser = positive, requires_all = ["with_floor", "in_flight"])]
    pub(crate) max_saturated_ratio: Option<f64>,
    /// Process id of a Redis behind the server, counted apart from it; repeat it for several.
    #[arg(long = "redis-pid", value_name = "PID")]
    pub(crate) redis_pids: Vec<u32>,
    /// Fails if server and Redis together use more CPU for a message, in microseconds (median of the rounds of each load).
    #[arg(long, value_parser = positive, value_name = "US")]
    pub(crate) max_cpu_per_message: Option<f64>,
    /// Fails if a saturated delivery is not this many times cheaper than a paced one.
    #[arg(long, value_parser = positive, requires_all = ["rate", "in_flight"])]
    pub(crate) min_coalescing_gain: Option<f64>,
}

/// What makes the round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Via {
    /// A push on a joined topic, and its reply.
    Push,
    /// A heartbeat on the topic `phoenix`: every server answers it, without any channel.
    Heartbeat,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    /// How many connections.
    #[arg(long, default_value_t = 100)]
    pub(crate) connections: usize,
    /// Open loop: round trips per second over all connections; 1000 if --in-flight is not given either.
    #[arg(long, value_parser = positive, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Closed loop: round trips under way at once on each connection.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) in_flight: Option<u64>,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) takes: TakeArgs,
    /// Topic of each connection; {n} is its number.
    #[arg(long, default_value = "echo:{n}")]
    pub(crate) topic: String,
    /// What makes the round trip.
    #[arg(long, value_enum, default_value = "push")]
    pub(crate) via: Via,
    /// The event to push. A server that also broadcasts it does more than a reply; the deliveries are counted.
    #[arg(long, default_value = "echo")]
    pub(crate) event: String,
    /// Size of the pushed JSON payload.
    #[arg(long, default_value_t = 64)]
    pub(crate) payload_bytes: usize,
    /// Starts a floor and runs the same against it, in turn with the server.
    #[arg(long)]
    pub(crate) with_floor: bool,
    /// Fails if the CPU per round trip is more than this many times the floor's (median of the rounds).
    #[arg(long, value_parser = positive, requires = "with_floor")]
    pub(crate) max_ratio: Option<f64>,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) spread: SpreadArgs,
    /// Connections opened and joined per second (open loop); 500 if --in-flight is not given either.
    #[arg(long, value_parser = positive, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Closed loop: connections that are on their way at once, until all have joined.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) in_flight: Option<u64>,
    /// Everybody connects and joins this often.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// Starts a floor and runs the same against it, in turn with the server.
    #[arg(long)]
    pub(crate) with_floor: bool,
    /// Fails if the server's CPU for a connect and a join is more, in microseconds (median of the rounds).
    #[arg(long, value_parser = positive, value_name = "US")]
    pub(crate) max_cpu_per_join: Option<f64>,
    /// Fails if that is more than this many times the floor's (median of the rounds).
    #[arg(long, value_parser = positive, requires = "with_floor")]
    pub(crate) max_ratio: Option<f64>,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct PresenceArgs {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) common: CommonArgs,
    /// Process id of a Redis behind the server, counted apart from it; repeat it for several.
    #[arg(long = "redis-pid", value_name = "PID")]
    pub(crate) redis_pids: Vec<u32>,
    /// How many clients each topic has.
    #[arg(long, default_value_t = 1000)]
    pub(crate) clients: usize,
    /// How many topics.
    #[arg(long, default_value_t = 1)]
    pub(crate) topics: usize,
    /// How many topics each connection joins; --topics must be a multiple of it.
    #[arg(long, default_value_t = 1)]
    pub(crate) topics_per_connection: usize,
    /// The topics; {n} is the number of the topic.
    #[arg(long, default_value = "presence:{n}")]
    pub(crate) topic: String,
    /// Joins that may be on their way at once; all of them if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) joins_at_once: Option<u64>,
    /// Everybody joins and leaves this often.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// Goes on counting for this long after everybody has seen everybody: what comes late costs, too.
    #[arg(long, value_parser = duration, default_value = "500ms")]
    pub(crate) settle: Duration,
    /// Holds all presences for this long after each join, and counts the CPU of that.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub(crate) hold: Duration,
    /// Kills this process (SIGKILL, one of several nodes) after the hold, in place of the leave, and counts how long those
    /// that are left are shown its clients.
    #[arg(long, value_name = "PID")]
    pub(crate) kill_pid: Option<u32>,
    /// The server tells nobody who is present: joins alone are counted, to compare with.
    #[arg(long, conflicts_with_all = ["kill_pid", "allow_repeated_joins"])]
    pub(crate) without_presence: bool,
    /// Counts a join of somebody who is there already, but does not fail for it: Phoenix may repeat what its state held.
    #[arg(long)]
    pub(crate) allow_repeated_joins: bool,
    /// Fails if it takes longer until everybody sees everybody (median of the rounds).
    #[arg(long, value_parser = positive, value_name = "S")]
    pub(crate) max_seconds: Option<f64>,
    /// Fails if servers and Redis together use more CPU until then (median of the rounds).
    #[arg(long, value_parser = positive, value_name = "S")]
    pub(crate) max_cpu_seconds: Option<f64>,
    /// Fails if those of a killed node are shown for longer.
    #[arg(long, value_parser = positive, value_name = "S", requires = "kill_pid")]
    pub(crate) max_ghost_seconds: Option<f64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArgs {
    /// Address to listen on; port 0 takes a free one. The first line on stdout is `listening ADDR`.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Frames that arrived together leave in one write per socket.
    #[arg(long)]
    pub(crate) coalesce: bool,
    /// Tells who is present, as the clients of the presence scenario expect it.
    #[arg(long)]
    pub(crate) presence: bool,
    /// Ends when stdin is closed, so that a floor does not outlive who started it.
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}
