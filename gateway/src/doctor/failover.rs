//! A lease stands on one server. Until another has taken over from a dead one, nobody can renew it.

use std::time::Duration;

use crate::config::Presence;

use super::finding::Finding;

const CHECK: &str = "failover";

/// What it takes to replace a primary once its death is agreed upon: an election, and clients that follow.
const TAKEOVER: Duration = Duration::from_secs(2);

/// The setting that says when a primary counts as dead, and its value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// `cluster-node-timeout`
    Cluster(Duration),
    /// `down-after-milliseconds`
    Sentinel(Duration),
}

pub(super) fn verdict(patience: Patience, presence: &Presence) -> Finding {
    let (setting, value, outage) = match patience {
        // The others have to agree, which takes up to half as long again.
        Patience::Cluster(value) => ("cluster-node-timeout", value, value.mul_f64(1.5) + TAKEOVER),
        Patience::Sentinel(value) => ("down-after-milliseconds", value, value + TAKEOVER),
    };
    let found = format!(
        "{setting} is {} ms, so a failover takes about {} s; presence.lease is {} s",
        value.as_millis(),
        seconds(outage),
        presence.lease.as_secs_f64()
    );
    if outage <= presence.lease {
        return Finding::ok(CHECK, found);
    }
    let lease = seconds(outage + presence.heartbeat);
    Finding::warn(CHECK, found, format!("set presence.lease = \"{lease}s\" or longer, or lower {setting} of Redis"))
}

pub(super) fn unknown(error: &str) -> Finding {
    let found = format!("cluster-node-timeout cannot be read ({error})");
    Finding::warn(CHECK, found, "check that presence.lease is at least 1.5 × cluster-node-timeout + 2 s")
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_lease_outlasts_a_failover() {
        let millis = Duration::from_millis;
        for (patience, lease, level) in [
            (Patience::Cluster(millis(15_000)), 30, Level::Ok),
            (Patience::Cluster(millis(15_000)), 20, Level::Warn),
            (Patience::Cluster(millis(2_000)), 5, Level::Ok),
            (Patience::Sentinel(millis(30_000)), 30, Level::Warn),
            (Patience::Sentinel(millis(5_000)), 30, Level::Ok),
        ] {
            let presence = Presence { lease: Duration::from_secs(lease), ..Presence::default() };
            assert_eq!(verdict(patience, &presence).level, level, "{patience:?} {lease}");
        }
        let finding = verdict(Patience::Sentinel(millis(30_000)), &Presence::default());
        assert!(finding.change.unwrap().starts_with("set presence.lease = \"42s\""));
    }
}
