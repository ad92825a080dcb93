//! Topics for many connections from one pattern.

/// A topic with an optional `{n}`, as in `room:{n}`: the place of the topic's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicPattern {
    pattern: String,
    per_topic: usize,
}

impl TopicPattern {
    /// `per_topic` neighbouring connections share a topic; without `{n}` all connections share one.
    pub(crate) fn new(pattern: &str, per_topic: usize) -> Self {
        Self { pattern: pattern.to_owned(), per_topic: per_topic.max(1) }
    }

    /// The topic of the connection with this number, counted from 0.
    pub(crate) fn topic(&self, connection: usize) -> String {
        self.pattern.replace("{n}", &(connection / self.per_topic).to_string())
    }

    /// How many topics `connections` connections make.
    pub(crate) fn count(&self, connections: usize) -> usize {
        if self.pattern.contains("{n}") { connections.div_ceil(self.per_topic) } else { connections.min(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_topic() {
        let pattern = TopicPattern::new("room:{n}", 10);
        let topics: Vec<_> = [0, 9, 10, 25].map(|n| pattern.topic(n)).into();
        assert_eq!(topics, ["room:0", "room:0", "room:1", "room:2"]);
        assert_eq!((pattern.count(0), pattern.count(10), pattern.count(11)), (0, 1, 2));
    }

    #[test]
    fn without_a_place_for_the_number_all_share_one() {
        let pattern = TopicPattern::new("lobby", 10);
        assert_eq!((pattern.topic(99).as_str(), pattern.count(100)), ("lobby", 1));
    }
}
