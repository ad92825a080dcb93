use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::types::config::{Server, ServerConfig};
use redis_protocol::redis_keyslot;

use super::cluster::Cluster;
use super::keys::Keys;
use super::link::Link;
use super::listener::Listener;
use super::place::Single;
use super::settings::Settings;
use super::spawn::Spawn;

/// How many connections share the channels of one server. Two, so that one hot topic does not delay the replies of all
/// others.
const LINKS: usize = 2;

/// Receives channels, over a few connections that come back after each fall.
pub struct Subscriber(Way);

enum Way {
    /// All channels are at one server: each goes over the connection of its share.
    Shared(Vec<Arc<Link>>),
    /// Each channel is at the server of its slot.
    Sharded(Arc<Cluster>),
}

impl Subscriber {
    /// Nothing is connected before `start`. The client sends the canaries, and knows the primary or the cluster.
    pub fn new(settings: &Settings, node: &str, client: &Client, listener: &Arc<dyn Listener>) -> Self {
        Self::with_sharding(settings, node, client, listener, true)
    }

    /// For what a server reports of its own keys: in a cluster these are plain channels, each at the primary that owns
    /// the slot of the key, which the channel's name must share. `node` must differ from that of any other subscriber.
    pub fn of_keys(settings: &Settings, node: &str, client: &Client, listener: &Arc<dyn Listener>) -> Self {
        Self::with_sharding(settings, node, client, listener, false)
    }

    fn with_sharding(
        settings: &Settings,
        node: &str,
        client: &Client,
        listener: &Arc<dyn Listener>,
        sharded: bool,
    ) -> Self {
        if settings.location.is_cluster() {
            return Self(Way::Sharded(Arc::new(Cluster::new(settings, node, client, listener, sharded))));
        }
        let keys = Keys::new(&settings.prefix);
        let server = match settings.location.server() {
            ServerConfig::Centralized { server } => Some(server.clone()),
            _ => None,
        };
        let link = |index| {
            let place = Single { server: server.clone(), canary: keys.canary(node, index), client: client.clone() };
            let name = format!("gateway-{node}-{index}");
            Arc::new(Link::new(name, settings.clone(), Box::new(place), listener.clone()))
        };
        Self(Way::Shared((0..LINKS).map(link).collect()))
    }

    /// Starts to receive a channel. Whether it is received already; if not, the listener hears it.
    pub fn subscribe(&self, channel: &str) -> bool {
        match &self.0 {
            Way::Shared(links) => link(links, channel).subscribe(channel),
            Way::Sharded(cluster) => cluster.subscribe(channel),
        }
    }

    /// Stops to receive a channel.
    pub fn unsubscribe(&self, channel: &str) {
        match &self.0 {
            Way::Shared(links) => {
                link(links, channel).unsubscribe(channel);
            }
            Way::Sharded(cluster) => cluster.unsubscribe(channel),
        }
    }

    /// How long this channel's connection has been down.
    pub fn outage(&self, channel: &str) -> Option<Duration> {
        match &self.0 {
            Way::Shared(links) => link(links, channel).status().outage(),
            Way::Sharded(cluster) => cluster.outage(channel),
        }
    }

    /// Waits until this channel's connection is up, or has been down for `limit`.
    pub async fn settled(&self, channel: &str, limit: Duration) {
        let link = match &self.0 {
            Way::Shared(links) => Some(link(links, channel).clone()),
            Way::Sharded(cluster) => {
                cluster.known().await;
                cluster.link(channel)
            }
        };
        if let Some(link) = link {
            link.status().settled(limit).await;
        }
    }

    /// A message of this channel should have come and did not.
    pub fn doubt(&self, channel: &str) {
        match &self.0 {
            Way::Shared(links) => link(links, channel).doubt(),
            Way::Sharded(cluster) => {
                if let Some(link) = cluster.link(channel) {
                    link.doubt();
                }
            }
        }
    }

    /// The longest time for which one of the connections has been down now.
    pub fn longest_outage(&self) -> Option<Duration> {
        match &self.0 {
            Way::Shared(links) => links.iter().filter_map(|link| link.status().outage()).max(),
            Way::Sharded(cluster) => cluster.longest_outage(),
        }
    }

    /// Whether nothing can be received: one of the connections is down, or in a cluster all of them.
    pub fn is_cut_off(&self) -> bool {
        match &self.0 {
            Way::Shared(_) => self.longest_outage().is_some(),
            Way::Sharded(cluster) => cluster.is_cut_off(),
        }
    }

    /// The primary that is responsible for a channel, in a cluster whose slots are known.
    pub fn owner(&self, channel: &str) -> Option<Server> {
        match &self.0 {
            Way::Shared(_) => None,
            Way::Sharded(cluster) => cluster.owner(channel),
        }
    }

    /// Whether a server is a primary of the cluster.
    pub fn is_primary(&self, server: &Server) -> bool {
        matches!(&self.0, Way::Sharded(cluster) if cluster.is_primary(server))
    }

    /// Some server refused what it should have taken: channels may belong elsewhere by now.
    pub fn doubt_places(&self) {
        if let Way::Sharded(cluster) = &self.0 {
            cluster.doubt_places();
        }
    }

    /// Connects, and stays connected for as long as the work runs.
    pub fn start(&self, spawn: Spawn) {
        match &self.0 {
            Way::Shared(links) => links.iter().for_each(|link| spawn(Box::pin(link.clone().run()))),
            Way::Sharded(cluster) => cluster.start(spawn),
        }
    }
}

fn link<'a>(links: &'a [Arc<Link>], channel: &str) -> &'a Arc<Link> {
    &links[share_of(channel, links.len())]
}

/// Spreads channels over so many equals; all channels of a topic go together.
pub fn share_of(channel: &str, shares: usize) -> usize {
    usize::from(redis_keyslot(channel.as_bytes())) % shares
}
