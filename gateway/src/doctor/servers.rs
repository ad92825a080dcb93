//! Finds the servers that hold data: the one of the URL, the primary that Sentinel names, or the primaries of a cluster.

use std::ops::RangeInclusive;
use std::time::Duration;

use fred::types::config::{Server, ServerConfig};
use redis_protocol::redis_keyslot;

use super::facts::{pairs, refusal};
use super::failover::Patience;
use super::finding::Finding;
use super::{cluster, sentinel};
use crate::redis::{Location, Probe, ProbeError};

/// The check that says whether a server answers.
pub(super) const REACH: &str = "redis";

/// How many names are tried to find one whose slot belongs to a server.
const NAMES: usize = 4096;

/// A server to look at.
pub(super) struct Target {
    pub(super) server: Server,
    /// What it owns; absent where there are no slots.
    slots: Option<Vec<RangeInclusive<u16>>>,
}

/// What was found out on the way.
#[derive(Default)]
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    /// When a Sentinel takes the primary for dead.
    pub(super) patience: Option<Patience>,
    pub(super) findings: Vec<Finding>,
}

impl Target {
    pub(super) fn name(&self) -> String {
        name(&self.server)
    }

    /// The first of these names that belongs to this server.
    pub(super) fn own_name(&self, of: impl Fn(usize) -> String) -> Option<String> {
        (0..NAMES).map(of).find(|name| {
            let slot = redis_keyslot(name.as_bytes());
            self.slots.as_ref().is_none_or(|slots| slots.iter().any(|range| range.contains(&slot)))
        })
    }
}

pub(super) async fn find(location: &Location) -> Found {
    match location.server() {
        ServerConfig::Clustered { hosts, .. } => of_cluster(location, hosts).await,
        ServerConfig::Sentinel { hosts, service_name, .. } => of_sentinel(location, hosts, service_name).await,
        one => {
            let targets = one.hosts().into_iter().take(1).map(|server| Target { server, slots: None }).collect();
            Found { targets, ..Found::default() }
        }
    }
}

async fn of_cluster(location: &Location, hosts: &[Server]) -> Found {
    let mut found = Found::default();
    for host in hosts {
        let text = match cluster_nodes(location, host).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let change = "begin redis.url with redis:// unless it is a cluster, and let the user run CLUSTER NODES";
                found.findings.push(Finding::fail(REACH, error, change).at(&name(host)));
                continue;
            }
            Err(error) => {
                // One of the others may know everything.
                found.findings.push(unreachable(&error, &name(host)));
                continue;
            }
        };
        let nodes = cluster::parse(&text);
        found.findings.extend(cluster::verdict(&nodes));
        found.targets.extend(nodes.into_iter().filter(cluster::Node::serves).map(|node| {
            let address = if node.host.is_empty() { host.host.to_string() } else { node.host };
            Target { server: Server::new(address, node.port), slots: Some(node.slots) }
        }));
        // Those that will be asked again anyway need not be named twice.
        let targets = &found.targets;
        let again = |finding: &Finding| targets.iter().any(|target| finding.server.as_ref() == Some(&target.name()));
        found.findings.retain(|finding| finding.check != REACH || !again(finding));
        break;
    }
    found
}

async fn cluster_nodes(location: &Location, host: &Server) -> Result<Result<String, String>, ProbeError> {
    let mut probe = Probe::open(location, host).await?;
    let answer = refusal(probe.ask(&["CLUSTER", "NODES"]).await)?;
    Ok(answer.map(|texts| texts.concat()))
}

async fn of_sentinel(location: &Location, hosts: &[Server], service: &str) -> Found {
    let mut found = Found::default();
    for host in hosts {
        let fields = match sentinel_master(location, host, service).await {
            Ok(Ok(words)) => pairs(words),
            Ok(Err(error)) => {
                let change = "let sentinelServiceName in redis.url name a service that this Sentinel watches";
                found.findings.push(Finding::fail(REACH, error, change).at(&name(host)));
                continue;
            }
            Err(error) => {
                let change = "start the Sentinel there, or take it out of redis.url";
                found.findings.push(Finding::warn(REACH, error.to_string(), change).at(&name(host)));
                continue;
            }
        };
        if !found.targets.is_empty() {
            continue;
        }
        found.findings.push(sentinel::verdict(&fields).at(&name(host)));
        let port = fields.get("port").and_then(|port| port.parse().ok());
        if let (Some(ip), Some(port)) = (fields.get("ip"), port) {
            found.targets.push(Target { server: Server::new(ip.as_str(), port), slots: None });
        }
        let patience = fields.get("down-after-milliseconds").and_then(|millis| millis.parse().ok());
        found.patience = patience.map(|millis| Patience::Sentinel(Duration::from_millis(millis)));
    }
    if found.targets.is_empty() {
        found.findings.push(Finding::fail(REACH, "no Sentinel names a primary", "start the Sentinels of redis.url"));
    }
    found
}

async fn sentinel_master(
    location: &Location,
    host: &Server,
    service: &str,
) -> Result<Result<Vec<String>, String>, ProbeError> {
    let mut probe = Probe::open_sentinel(location, host).await?;
    refusal(probe.ask(&["SENTINEL", "MASTER", service]).await)
}

pub(super) fn unreachable(error: &ProbeError, server: &str) -> Finding {
    let change = "start Redis there, or correct redis.url: host, port, user and password, TLS";
    Finding::fail(REACH, error.to_string(), change).at(server)
}

fn name(server: &Server) -> String {
    format!("{}:{}", server.host, server.port)
}
