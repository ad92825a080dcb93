//! Each connection takes a file descriptor.

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::config::Limits;

const CHECK: &str = "descriptors";

/// Connections that a pod should be able to hold where the configuration does not say.
const CONNECTIONS: u64 = 10_000;

/// What a pod needs beside connections: listeners, Redis, files, requests to the API.
const OWN: u64 = 100;

pub(super) fn examine(limits: &Limits) -> Finding {
    let limit = getrlimit(Resource::Nofile);
    let connections = limits.connections.map_or(CONNECTIONS, |connections| connections as u64);
    verdict(limit.current, limit.maximum, connections)
}

/// The limits in effect and the highest that the process may set; none is no limit.
fn verdict(current: Option<u64>, maximum: Option<u64>, connections: u64) -> Finding {
    let needed = connections + OWN;
    let Some(limit) = current else { return Finding::ok(CHECK, "no limit") };
    if limit >= needed {
        let room = limit.saturating_sub(OWN);
        return Finding::ok(CHECK, format!("{limit} open files: room for about {room} connections"));
    }
    let found = format!("{limit} open files: too few for {connections} connections");
    let change = if maximum.is_none_or(|maximum| maximum >= needed) {
        format!("start the gateway after `ulimit -n {needed}` (systemd: LimitNOFILE={needed})")
    } else {
        format!("raise the hard limit to {needed} (systemd: LimitNOFILE={needed}; a container: its ulimits)")
    };
    Finding::warn(CHECK, found, change)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn there_is_room_or_it_says_what_to_raise() {
        assert_eq!(verdict(None, None, 1_000_000).level, Level::Ok);
        assert_eq!(verdict(Some(20_000), Some(20_000), 10_000).level, Level::Ok);
        let soft = verdict(Some(1024), Some(1_048_576), 10_000);
        assert_eq!(soft.level, Level::Warn);
        assert!(soft.change.unwrap().contains("ulimit -n 10100"));
        let hard = verdict(Some(1024), Some(4096), 10_000);
        assert!(hard.change.unwrap().starts_with("raise the hard limit"));
    }
}
