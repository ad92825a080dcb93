//! The URL must say what is there: a primary that takes writes, and a cluster where there is one.

use super::facts::Info;
use super::finding::Finding;

const CHECK: &str = "role";

pub(super) fn verdict(info: &Info, cluster_url: bool) -> Finding {
    let get = |field: &str| info.get(field).map(String::as_str).unwrap_or_default();
    if get("role") == "slave" {
        let primary = format!("{}:{}", get("master_host"), get("master_port"));
        let change = format!("let redis.url name the primary ({primary}), or use redis-sentinel:// to follow it");
        return Finding::fail(CHECK, "a replica, which takes no writes", change);
    }
    if get("cluster_enabled") == "1" && !cluster_url {
        return Finding::fail(
            CHECK,
            "a member of a Redis Cluster",
            "begin redis.url with redis-cluster:// (rediss-cluster:// with TLS)",
        );
    }
    let replicas = get("connected_slaves");
    Finding::ok(CHECK, format!("a primary with {} replicas", if replicas.is_empty() { "0" } else { replicas }))
}

#[cfg(test)]
mod tests {
    use super::super::facts::fields;
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_primary_is_wanted() {
        let primary = fields("role:master\nconnected_slaves:2\ncluster_enabled:0");
        assert_eq!(verdict(&primary, false), Finding::ok("role", "a primary with 2 replicas"));
        let replica = fields("role:slave\nmaster_host:10.0.0.1\nmaster_port:6379");
        let finding = verdict(&replica, false);
        assert_eq!(finding.level, Level::Fail);
        assert!(finding.change.unwrap().contains("10.0.0.1:6379"));
        let member = fields("role:master\ncluster_enabled:1");
        assert_eq!(verdict(&member, false).level, Level::Fail);
        assert_eq!(verdict(&member, true).level, Level::Ok);
    }
}
