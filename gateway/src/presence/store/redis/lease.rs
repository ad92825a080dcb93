//! What stands in a lease: `alive`, and in words `name=value` what the pod tells of itself. Words that a pod does not know
//! it passes over, so that later releases can say more.

use crate::presence::model::About;

/// What a lease says when others have taken its node for dead.
pub(super) const DEAD: &str = "dead";

const ALIVE: &str = "alive";

/// The text of the lease of a pod that lives.
pub(super) fn text(about: &About) -> String {
    let envelope = about.envelope;
    match about.connections {
        Some(connections) => format!("{ALIVE} envelope={envelope} connections={connections}"),
        None => format!("{ALIVE} envelope={envelope}"),
    }
}

/// What a lease tells. None: its node is dead.
pub(super) fn about(lease: &str) -> Option<About> {
    if lease == DEAD {
        return None;
    }
    let mut about = About::default();
    for (name, value) in lease.split(' ').filter_map(|word| word.split_once('=')) {
        match name {
            "envelope" => about.envelope = value.parse().unwrap_or(about.envelope),
            "connections" => about.connections = value.parse().ok(),
            _ => {}
        }
    }
    Some(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_read_back() {
        for about in [About { connections: Some(12), envelope: 2 }, About { connections: None, envelope: 3 }] {
            assert_eq!(super::about(&text(&about)), Some(about));
        }
        assert_eq!(text(&About { connections: Some(12), envelope: 2 }), "alive envelope=2 connections=12");
    }

    #[test]
    fn leases_of_other_releases_are_understood() {
        assert_eq!(about("alive"), Some(About { connections: None, envelope: 1 }));
        assert_eq!(
            about("alive zone=a connections=7 envelope=x more"),
            Some(About { connections: Some(7), envelope: 1 })
        );
        assert_eq!(about("dead"), None);
    }
}
