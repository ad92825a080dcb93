//! Who joins what. A group of neighbouring connections joins the same topics, so that the clients of each topic are spread
//! over all nodes, and no connection joins a topic twice.

use crate::cli::PresenceArgs;
use crate::error::Error;
use crate::fleet::ConnectionId;

#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Of the server.
    pub(super) nodes: usize,
    /// Of each topic.
    pub(super) clients: usize,
    pub(super) topics: usize,
    pub(super) per_connection: usize,
}

/// One topic of one connection, counted from 0.
pub(super) type ChannelId = usize;

impl Layout {
    pub(super) fn new(args: &PresenceArgs) -> Result<Self, Error> {
        let PresenceArgs { clients, topics, topics_per_connection: per_connection, .. } = *args;
        let nodes = args.common.target.urls.len();
        if per_connection == 0 || topics == 0 || !topics.is_multiple_of(per_connection) {
            return Err(Error::Usage("--topics must be a multiple of --topics-per-connection".to_owned()));
        }
        if clients <= nodes {
            return Err(Error::Usage("--clients must be more than the nodes: one on each stays to the end".to_owned()));
        }
        if args.kill_pid.is_some() && nodes < 2 {
            return Err(Error::Usage("--kill-pid needs a --url for each of several nodes".to_owned()));
        }
        Ok(Self { nodes, clients, topics, per_connection })
    }

    pub(super) fn connections(&self) -> usize {
        self.channels() / self.per_connection
    }

    pub(super) fn channels(&self) -> usize {
        self.topics * self.clients
    }

    /// Channels in an order that goes round the connections.
    pub(super) fn in_turn(&self, place: usize) -> ChannelId {
        let (slot, connection) = (place / self.connections(), place % self.connections());
        connection * self.per_connection + slot
    }

    pub(super) fn connection(&self, channel: ChannelId) -> ConnectionId {
        channel / self.per_connection
    }

    pub(super) fn topic(&self, channel: ChannelId) -> usize {
        let (connection, slot) = (channel / self.per_connection, channel % self.per_connection);
        connection / self.clients * self.per_connection + slot
    }

    /// The channel of a connection in a topic; None: that is none of its topics.
    pub(super) fn channel(&self, connection: ConnectionId, topic: usize) -> Option<ChannelId> {
        let (group, slot) = (topic / self.per_connection, topic % self.per_connection);
        (connection / self.clients == group).then_some(connection * self.per_connection + slot)
    }

    /// Where a connection goes.
    pub(super) fn node(&self, connection: ConnectionId) -> usize {
        connection % self.nodes
    }

    /// Whether a connection stays when the others leave: one of each topic on each node does.
    pub(super) fn stays(&self, connection: ConnectionId) -> bool {
        connection % self.clients < self.nodes
    }

    /// How many clients a topic has on other nodes than this one.
    pub(super) fn clients_elsewhere(&self, topic: usize, node: usize) -> usize {
        let first = topic / self.per_connection * self.clients;
        (first..first + self.clients).filter(|connection| self.node(*connection) != node).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_topic_has_its_clients_on_all_nodes() {
        let layout = Layout { nodes: 2, clients: 4, topics: 6, per_connection: 3 };
        assert_eq!((layout.connections(), layout.channels()), (8, 24));
        let channels: BTreeSet<_> = (0..24).map(|place| layout.in_turn(place)).collect();
        assert_eq!(channels.len(), 24);
        for topic in 0..6 {
            let of: Vec<_> = channels.iter().filter(|channel| layout.topic(**channel) == topic).collect();
            let connections: BTreeSet<_> = of.iter().map(|channel| layout.connection(**channel)).collect();
            assert_eq!(connections.len(), 4);
            assert!(of.iter().all(|channel| layout.channel(layout.connection(**channel), topic) == Some(**channel)));
            assert_eq!(layout.clients_elsewhere(topic, 0), 2);
            assert_eq!(connections.iter().filter(|connection| layout.stays(**connection)).count(), 2);
        }
        assert_eq!(layout.channel(7, 0), None);
    }
}
