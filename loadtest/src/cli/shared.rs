//! Groups of flags that several scenarios take.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::values::{duration, json};
use crate::client::Vsn;

/// What every scenario takes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Where and how to connect.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct TargetArgs {
    /// The server's WebSocket address; its query may hold connect params, such as a token. Repeat it for a cluster, once for
    /// each node: connections take turns.
    #[arg(long = "url", value_name = "URL", default_value = "ws://127.0.0.1:4000/socket/websocket")]
    #[serde(serialize_with = "without_queries")]
    pub(crate) urls: Vec<String>,
    /// Serializer version.
    #[arg(long, value_enum, default_value = "2.0.0")]
    pub(crate) vsn: Vsn,
    /// Payload of every join, as JSON; {n} in it is the number of the connection.
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
fn without_queries<S: serde::Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(urls.iter().map(|url| url.split('?').next().unwrap_or_default()))
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
    /// Writes the report to this file as one page for a browser, with drawings; it needs no other file.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Says nothing while it runs.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Takes: stretches in which figures are counted.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct TakeArgs {
    /// Length of each take.
    #[arg(long, value_parser = duration, default_value = "10s")]
    pub(crate) duration: Duration,
    /// Runs for this long before the first take, uncounted.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub(crate) warmup: Duration,
    /// How long to wait for what is under way at the end of a take.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) drain: Duration,
    /// Takes of each kind, in turn (A B A B …).
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}

/// Connections that are spread over topics.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct SpreadArgs {
    /// How many connections.
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// Topic of each connection; {n} is the number of the topic.
    #[arg(long, visible_alias = "join-topic", default_value = "room:{n}")]
    pub(crate) topic: String,
    /// How many neighbouring connections share a topic.
    #[arg(long, default_value_t = 10)]
    pub(crate) connections_per_topic: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_two_and_different() {
        assert_eq!("0,1".parse(), Ok(Pin { server: 0, client: 1 }));
        assert!("0,0".parse::<Pin>().is_err() && "0".parse::<Pin>().is_err());
    }
}
