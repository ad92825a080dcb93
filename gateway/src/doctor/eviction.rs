//! Redis must not make room by dropping who is present, or a pod's lease.

use super::facts::Info;
use super::finding::Finding;

const CHECK: &str = "eviction";

/// By INFO, which tells it also where CONFIG is forbidden.
pub(super) fn verdict(info: &Info) -> Finding {
    let (Some(limit), Some(policy)) = (info.get("maxmemory"), info.get("maxmemory_policy")) else {
        return Finding::warn(CHECK, "unknown: INFO does not tell", "check that maxmemory-policy is noeviction");
    };
    if limit == "0" {
        return Finding::ok(CHECK, "no memory limit, so nothing is evicted");
    }
    if policy == "noeviction" {
        return Finding::ok(CHECK, format!("at {limit} bytes writes are refused, and nothing is evicted"));
    }
    let victims = if policy.starts_with("volatile-") { "leases of pods" } else { "presences and leases of pods" };
    Finding::warn(
        CHECK,
        format!("at {limit} bytes maxmemory-policy {policy} drops {victims}: members would vanish for a while"),
        "CONFIG SET maxmemory-policy noeviction, and in redis.conf: maxmemory-policy noeviction",
    )
}

#[cfg(test)]
mod tests {
    use super::super::facts::fields;
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn only_what_evicts_is_warned_of() {
        for (limit, policy, level) in [
            ("0", "allkeys-lru", Level::Ok),
            ("1000", "noeviction", Level::Ok),
            ("1000", "allkeys-lru", Level::Warn),
            ("1000", "allkeys-random", Level::Warn),
            ("1000", "volatile-ttl", Level::Warn),
        ] {
            let info = fields(&format!("maxmemory:{limit}\nmaxmemory_policy:{policy}"));
            assert_eq!(verdict(&info).level, level, "{limit} {policy}");
        }
        assert_eq!(verdict(&Info::new()).level, Level::Warn);
    }
}
