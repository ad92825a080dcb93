//! All commands and flags.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use super::values::{bytes, duration, json, positive};
use crate::client::Vsn;

/// Measures a server that speaks Phoenix Channels.
///
/// Exit code: 0 when all is well, 1 when a check failed (each is named), 64 for wrong usage, 69 when the server is not there
/// or refuses.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Opens N joined connections, holds them, and reports the server's memory per connection.
    Idle(IdleArgs),
    /// One publisher, S subscribers of one topic: CPU per delivery, latency, loss, duplicates and order.
    Fanout(FanoutArgs),
    /// Push and reply: CPU per round trip and latency.
    Echo(EchoArgs),
    /// Connects and joins at a fixed rate: CPU per join and latency.
    Storm(StormArgs),
    /// Runs the floor: the least a server can do, to compare others with.
    Floor(FloorArgs),
}

/// Where and how to connect.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct TargetArgs {
    /// The server's WebSocket address; its query may hold connect params, such as a token.
    #[arg(long, default_value = "ws://127.0.0.1:4000/socket/websocket")]
    #[serde(serialize_with = "without_query")]
    pub(crate) url: String,
    /// Serializer version.
    #[arg(long, value_enum, default_value = "2.0.0")]
    pub(crate) vsn: Vsn,
    /// Payload of every join, as JSON.
    #[arg(long, value_parser = json, default_value = "{}")]
    pub(crate) join_payload: String,
    /// How often each connection sends a heartbeat; 0 for never.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) heartbeat: Duration,
    /// Source address to connect from, with explicit ports; repeat it for more than 28,000 connections (127.0.0.2, …).
    #[arg(long = "source", value_name = "IP")]
    pub(crate) sources: Vec<IpAddr>,
    /// Connections that may be on their way at once while they are opened.
    #[arg(long, default_value_t = 100)]
    pub(crate) window: usize,
    /// Gives up when nothing happens for this long.
    #[arg(long, value_parser = duration, default_value = "20s")]
    pub(crate) patience: Duration,
}

/// A report may be shown around; a token in the query must not be.
fn without_query<S: serde::Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.split('?').next().unwrap_or_default())
}

/// What to watch on this machine.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct WatchArgs {
    /// Process id of the server, for its CPU and memory; repeat it to sum several (a Redis, say).
    #[arg(long = "pid")]
    pub(crate) pids: Vec<u32>,
    /// Keeps the watched processes on one core and the load tool on another; they stay there after the run.
    #[arg(long, value_name = "SERVER,CLIENT", num_args = 0..=1, default_missing_value = "0,1")]
    pub(crate) pin: Option<Pin>,
}

/// Two different cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Pin {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

impl std::str::FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cores =
            text.split_once(',').and_then(|(server, client)| Some((server.parse().ok()?, client.parse().ok()?)));
        match cores {
            Some((server, client)) if server != client => Ok(Self { server, client }),
            _ => Err("give two different cores, as in 0,1".to_owned()),
        }
    }
}

/// Where the result goes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct OutputArgs {
    /// Writes everything (configuration, machine, figures, checks) to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Says nothing while it runs.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How many connections.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// Topic of each connection; {n} is the number of the topic.
    #[arg(long, visible_alias = "join-topic", default_value = "room:{n}")]
    pub(crate) topic: String,
    /// How many neighbouring connections share a topic.
    #[arg(long, default_value_t = 10)]
    pub(crate) connections_per_topic: usize,
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
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How many subscribers, beside the publisher.
    #[arg(long, default_value_t = 1000)]
    pub(crate) subscribers: usize,
    /// Paced (open loop): messages per second; 20 if --in-flight is not given either. With both, both are run in turn.
    #[arg(long, value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// Saturated (closed loop): messages under way at once; one is done when all subscribers have it.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) in_flight: Option<u64>,
    /// Length of each take.
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) duration: Duration,
    /// Runs for this long before the first take, uncounted.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub(crate) warmup: Duration,
    /// How long to wait for the last deliveries of a take.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) drain: Duration,
    /// Takes of each kind, in turn (A B A B …).
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
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
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How many connections.
    #[arg(long, default_value_t = 100)]
    pub(crate) connections: usize,
    /// Open loop: round trips per second over all connections; 1000 if --in-flight is not given either.
    #[arg(long, value_parser = positive, conflicts_with = "in_flight")]
    pub(crate) rate: Option<f64>,
    /// Closed loop: round trips under way at once on each connection.
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) in_flight: Option<u64>,
    /// Length of each take.
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) duration: Duration,
    /// Runs for this long before the first take, uncounted.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub(crate) warmup: Duration,
    /// How long to wait for the last replies of a take.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) drain: Duration,
    /// Takes of each kind, in turn (A B A B …).
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
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
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How many connections.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// Connections opened and joined per second.
    #[arg(long, value_parser = positive, default_value = "500")]
    pub(crate) rate: f64,
    /// Topic of each connection; {n} is the number of the topic.
    #[arg(long, default_value = "room:{n}")]
    pub(crate) topic: String,
    /// How many neighbouring connections share a topic.
    #[arg(long, default_value_t = 10)]
    pub(crate) connections_per_topic: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArgs {
    /// Address to listen on; port 0 takes a free one. The first line on stdout is `listening ADDR`.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Frames that arrived together leave in one write per socket.
    #[arg(long)]
    pub(crate) coalesce: bool,
    /// Ends when stdin is closed, so that a floor does not outlive who started it.
    #[arg(long)]
    pub(crate) until_stdin_closes: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn cores_are_two_and_different() {
        assert_eq!("0,1".parse(), Ok(Pin { server: 0, client: 1 }));
        assert!("0,0".parse::<Pin>().is_err() && "0".parse::<Pin>().is_err());
    }

    #[test]
    fn pin_without_a_value_takes_the_first_two_cores() {
        let cli = Cli::try_parse_from(["loadtest", "idle", "--pin", "--connections", "5"]).unwrap();
        let Command::Idle(args) = cli.command else { panic!("another command") };
        assert_eq!((args.watch.pin, args.connections), (Some(Pin { server: 0, client: 1 }), 5));
    }

    #[test]
    fn a_threshold_that_could_never_be_checked_is_refused() {
        assert!(Cli::try_parse_from(["loadtest", "fanout", "--max-ratio", "1.3"]).is_err());
        assert!(Cli::try_parse_from(["loadtest", "fanout", "--rate", "20", "--min-coalescing-gain", "2.5"]).is_err());
    }
}
