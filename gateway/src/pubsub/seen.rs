use super::backend::Stamp;
use crate::ids::NodeId;

/// How many nodes a topic remembers. Beyond that the one heard first is forgotten, and a repetition of its messages
/// would pass.
const NODES: usize = 256;

/// The last message seen of each node, so that whatever comes again, or late, is dropped (ruling 11).
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(NodeId, u64)>);

impl Seen {
    /// Whether this message is newer than all before from its node; it is remembered then.
    pub(super) fn is_new(&mut self, stamp: &Stamp) -> bool {
        if let Some((_, last)) = self.0.iter_mut().find(|(node, _)| *node == stamp.node) {
            let new = stamp.sequence > *last;
            *last = stamp.sequence.max(*last);
            return new;
        }
        if self.0.len() == NODES {
            self.0.remove(0);
        }
        self.0.push((stamp.node.clone(), stamp.sequence));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(node: &str, sequence: u64) -> Stamp {
        Stamp { node: NodeId::from(node), sequence }
    }

    #[test]
    fn repeated_and_late_messages_are_not_new() {
        let mut seen = Seen::default();
        assert!(seen.is_new(&stamp("a", 5)));
        assert!(!seen.is_new(&stamp("a", 5)));
        assert!(!seen.is_new(&stamp("a", 4)));
        assert!(seen.is_new(&stamp("a", 6)));
        assert!(seen.is_new(&stamp("b", 1)), "numbers of another node say nothing");
    }

    #[test]
    fn remembers_a_bounded_number_of_nodes() {
        let mut seen = Seen::default();
        for node in 0..=NODES {
            assert!(seen.is_new(&stamp(&node.to_string(), 1)));
        }
        assert_eq!(seen.0.len(), NODES);
        assert!(!seen.is_new(&stamp("1", 1)));
        assert!(seen.is_new(&stamp("0", 1)), "the oldest was forgotten");
    }
}
