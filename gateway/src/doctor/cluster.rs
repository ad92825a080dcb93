//! Who belongs to a Redis Cluster, and whether each slot has a primary that somebody can replace.

use std::ops::RangeInclusive;

use super::finding::Finding;

const CHECK: &str = "topology";

const SLOTS: usize = 16_384;

/// One line of CLUSTER NODES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    id: String,
    /// Empty when the server that was asked does not know its own.
    pub(super) host: String,
    pub(super) port: u16,
    failed: bool,
    /// The primary that it follows, if it is a replica.
    follows: Option<String>,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    /// Whether it owns a slot.
    pub(super) fn serves(&self) -> bool {
        self.follows.is_none() && !self.slots.is_empty()
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Reads the reply to CLUSTER NODES; lines that are not understood are left out.
pub(super) fn parse(text: &str) -> Vec<Node> {
    text.lines().filter_map(node).collect()
}

fn node(line: &str) -> Option<Node> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, address, flags, follows, _, _, _, _, slots @ ..] = words.as_slice() else { return None };
    let (host, port) = address.split('@').next()?.rsplit_once(':')?;
    let failed = flags.split(',').any(|flag| matches!(flag, "fail" | "fail?" | "noaddr" | "handshake"));
    let range = |word: &&str| {
        // `[slot->-id]` is on its way elsewhere, and still here.
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    Some(Node {
        id: (*id).to_owned(),
        host: host.to_owned(),
        port: port.parse().ok()?,
        failed,
        follows: (*follows != "-").then(|| (*follows).to_owned()),
        slots: slots.iter().filter_map(range).collect(),
    })
}

pub(super) fn verdict(nodes: &[Node]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let primaries: Vec<&Node> = nodes.iter().filter(|node| node.serves()).collect();
    let covered: usize = primaries.iter().flat_map(|node| &node.slots).map(|slots| slots.clone().count()).sum();
    if covered < SLOTS {
        let found = format!("{} of {SLOTS} slots have no primary", SLOTS - covered);
        findings.push(Finding::fail(CHECK, found, "give them to one: redis-cli --cluster fix HOST:PORT"));
    }
    for primary in &primaries {
        let replicas = nodes.iter().filter(|node| node.follows.as_ref() == Some(&primary.id) && !node.failed).count();
        if primary.failed {
            let found = "the cluster takes this primary for dead: its topics are unavailable";
            findings.push(Finding::fail(CHECK, found, "bring it back, or fail over to a replica").at(&primary.name()));
        } else if replicas == 0 {
            let found = "no replica: when it dies, its topics are unavailable until it is back";
            let change = "add one: redis-cli --cluster add-node NEW OLD --cluster-slave";
            findings.push(Finding::warn(CHECK, found, change).at(&primary.name()));
        }
    }
    if primaries.len() < 3 {
        let found = format!("{} primaries: a failover needs the votes of most of at least three", primaries.len());
        findings.push(Finding::warn(CHECK, found, "run at least three primaries"));
    }
    if findings.is_empty() {
        let found = format!("{} primaries with all slots, each with a replica", primaries.len());
        findings.push(Finding::ok(CHECK, found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const HEALTHY: &str = "\
a 10.0.0.1:7000@17000,host-a myself,master - 0 0 1 connected 0-5460
b 10.0.0.2:7000@17000 master - 0 0 2 connected 5461-10922
c 10.0.0.3:7000@17000 master - 0 0 3 connected 10923-16382 16383 [12->-a]
x 10.0.0.4:7000@17000 slave a 0 0 1 connected
y 10.0.0.5:7000@17000 slave b 0 0 2 connected
z 10.0.0.6:7000@17000 slave c 0 0 3 connected
";

    fn levels(text: &str) -> Vec<Level> {
        verdict(&parse(text)).into_iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_healthy_cluster_is_ok() {
        let nodes = parse(HEALTHY);
        assert_eq!(nodes.iter().filter(|node| node.serves()).count(), 3);
        assert_eq!((nodes[2].name().as_str(), &nodes[2].slots), ("10.0.0.3:7000", &vec![10923..=16382, 16383..=16383]));
        assert_eq!(levels(HEALTHY), [Level::Ok]);
    }

    #[test]
    fn what_is_missing_is_found() {
        assert_eq!(levels(&HEALTHY.replace("slave b", "slave,fail b")), [Level::Warn], "a replica that is dead");
        assert_eq!(
            levels(&HEALTHY.replace("7000@17000 master - 0 0 2", "7000@17000 master,fail - 0 0 2")),
            [Level::Fail]
        );
        assert_eq!(levels(&HEALTHY.replace(" 16383 ", " ")), [Level::Fail], "a slot of nobody");
        assert_eq!(levels("a :7000@17000 myself,master - 0 0 1 connected 0-16383"), [Level::Warn, Level::Warn]);
        assert_eq!(levels(""), [Level::Fail, Level::Warn]);
    }
}
