//! Drops what dead nodes have left: one survivor does it, topic by topic; if it dies over it, another goes on.

use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{KeysInterface, SetsInterface};
use fred::types::{Expiration, SetOptions};
use futures_util::future::try_join_all;

use super::super::{Events, Reap, Store, StoreError};
use super::encoding::unavailable;
use super::lease::{self, DEAD};
use super::listing::lives;
use super::store::Redis;
use crate::ids::NodeId;
use crate::presence::model::{About, Census};

/// How long a dead node is remembered, so that it learns of it if it was only asleep.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// How long nobody else reaps the same node, once somebody has begun.
const GUARD: Duration = Duration::from_secs(10);

/// For how many heartbeats the connections of a pod count that has not renewed its lease: it does so twice in each.
const LATE: u32 = 2;

/// How many topics are reaped at the same time.
const TOPICS: usize = 64;

impl<E: Events + 'static> Redis<E> {
    /// Reaps whenever a heartbeat asks for it, for as long as the work runs. Apart from the heartbeats, which go on
    /// meanwhile.
    pub(super) async fn reap_on(self: Arc<Self>) {
        loop {
            self.reaping_wanted.notified().await;
            if let Err(error) = self.reap_dead().await {
                tracing::debug!(%error, "dead pods could not be looked for");
                self.spare();
            }
        }
    }

    /// Looks at the leases of all nodes: what they tell, and who has none.
    pub(super) async fn reap_dead(&self) -> Result<(), StoreError> {
        let leases = self.leases().await?;
        let others = self.others(&leases).await?;
        self.census.send_replace(Census { others, doubtful: self.spares() });
        if self.spares() {
            return Ok(());
        }
        for (node, about) in leases {
            let own = self.node();
            // Some time may have passed since they were read.
            if about.is_some() || node == own || lives(&self.client, &self.keys, &node).await? {
                continue;
            }
            if !lives(&self.client, &self.keys, &own).await? {
                // What has ended this pod's lease may have ended that of others who live.
                self.spare();
            }
            if self.spares() {
                break;
            }
            if self.claim(&node).await? {
                tracing::info!(%node, "a pod is dead: its presences are dropped");
                self.reap_node(&node).await?;
            }
        }
        Ok(())
    }

    /// What the other pods that live tell of themselves. The connections of one that is late with its heartbeat do not count:
    /// if it is dead, they are at other pods by now.
    async fn others(&self, leases: &[(NodeId, Option<About>)]) -> Result<Vec<About>, StoreError> {
        let own = self.node();
        let living = leases.iter().filter(|(node, _)| *node != own).filter_map(|(node, about)| Some((node, (*about)?)));
        try_join_all(living.map(async |(node, about)| {
            let left: i64 = self.client.pttl(self.keys.lease(node.as_str())).await.map_err(unavailable)?;
            // A lease that has no end, or just came to it, says nothing about that.
            let left = u64::try_from(left).ok().map(Duration::from_millis);
            let is_late = left.is_some_and(|left| left + LATE * self.heartbeat < self.lease);
            Ok(About { connections: about.connections.filter(|_| !is_late), ..about })
        }))
        .await
    }

    /// All nodes, and what those that live tell of themselves. They are asked for at once: they stand in as many slots of
    /// a cluster.
    pub(super) async fn leases(&self) -> Result<Vec<(NodeId, Option<About>)>, StoreError> {
        let nodes: Vec<String> = self.client.smembers(self.keys.nodes()).await.map_err(unavailable)?;
        try_join_all(nodes.iter().map(async |node| {
            let text: Option<String> = self.client.get(self.keys.lease(node)).await.map_err(unavailable)?;
            Ok((NodeId::from(node.as_str()), text.as_deref().and_then(lease::about)))
        }))
        .await
    }

    /// Declares a node dead, and keeps the others off. Not if it just renewed its lease, or somebody else is at it.
    async fn claim(&self, node: &NodeId) -> Result<bool, StoreError> {
        let lease = self.keys.lease(node.as_str());
        let once = |life: Duration| Some(Expiration::PX(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)));
        let only_new = Some(SetOptions::NX);
        let set = self.client.set::<Option<String>, _, _>(lease, DEAD, once(REMEMBERED), only_new.clone(), false);
        if set.await.map_err(unavailable)?.is_none() && lives(&self.client, &self.keys, node).await? {
            return Ok(false);
        }
        let (guard, own) = (self.keys.reaping(node.as_str()), self.node());
        let set = self.client.set::<Option<String>, _, _>(guard, own.as_str(), once(GUARD), only_new, false);
        Ok(set.await.map_err(unavailable)?.is_some())
    }

    async fn reap_node(&self, node: &NodeId) -> Result<(), StoreError> {
        let index = self.keys.topics_of_node(node.as_str());
        loop {
            let topics: Vec<String> =
                self.client.srandmember(index.clone(), Some(TOPICS)).await.map_err(unavailable)?;
            if topics.is_empty() {
                break;
            }
            try_join_all(topics.iter().map(async |topic| {
                while self.reap(topic, node, Reap::Dead).await? {}
                Ok(())
            }))
            .await?;
            self.client.srem::<(), _, _>(index.clone(), topics).await.map_err(unavailable)?;
            let guard = self.keys.reaping(node.as_str());
            let life = i64::try_from(GUARD.as_secs()).unwrap_or(i64::MAX);
            self.client.expire::<(), _>(guard, life, None).await.map_err(unavailable)?;
        }
        self.client.srem::<(), _, _>(self.keys.nodes(), node.as_str()).await.map_err(unavailable)?;
        self.client.del(self.keys.reaping(node.as_str())).await.map_err(unavailable)
    }
}
