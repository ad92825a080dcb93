//! What a Sentinel says of the service that it watches.

use std::collections::HashMap;

use super::finding::Finding;

const CHECK: &str = "topology";

/// By the reply to SENTINEL MASTER.
pub(super) fn verdict(service: &HashMap<String, String>) -> Finding {
    let get = |field: &str| service.get(field).map(String::as_str).unwrap_or_default();
    let number = |field: &str| get(field).parse::<u64>().unwrap_or_default();
    let (replicas, sentinels) = (number("num-slaves"), number("num-other-sentinels") + 1);
    if get("flags").split(',').any(|flag| matches!(flag, "s_down" | "o_down")) {
        let found = format!("the primary {}:{} is down", get("ip"), get("port"));
        return Finding::fail(CHECK, found, "bring it back, or wait for the failover");
    }
    let found = format!("{sentinels} Sentinels, {replicas} replicas, quorum {}", get("quorum"));
    if replicas == 0 {
        return Finding::warn(CHECK, found, "add a replica: without one nobody can take over");
    }
    if number("quorum") > sentinels {
        return Finding::fail(CHECK, format!("{found}: no failover can be agreed upon"), "lower the quorum");
    }
    if sentinels < 3 {
        return Finding::warn(CHECK, found, "run three Sentinels on three machines, so that one may fail");
    }
    Finding::ok(CHECK, found)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn somebody_can_take_over() {
        for (flags, replicas, others, quorum, level) in [
            ("master", "1", "2", "2", Level::Ok),
            ("master", "0", "2", "2", Level::Warn),
            ("master", "1", "0", "1", Level::Warn),
            ("master", "1", "2", "4", Level::Fail),
            ("s_down,master", "1", "2", "2", Level::Fail),
        ] {
            let fields =
                [("flags", flags), ("num-slaves", replicas), ("num-other-sentinels", others), ("quorum", quorum)];
            let service = fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into();
            assert_eq!(verdict(&service).level, level, "{fields:?}");
        }
    }
}
