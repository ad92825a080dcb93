use std::time::Duration;

use fred::interfaces::{KeysInterface, SetsInterface};
use futures_util::future::try_join_all;

use super::super::{Events, StoreError};
use super::encoding::unavailable;
use super::listing::lives;
use super::store::Redis;
use crate::ids::NodeId;
use crate::presence::model::Node;

impl<E: Events + 'static> Redis<E> {
    /// The nodes that have a lease. All leases are asked for at once: they stand in as many slots of a cluster.
    pub(super) async fn live_nodes(&self) -> Result<Vec<Node>, StoreError> {
        let own = self.held.lock().node.clone();
        let names: Vec<String> = self.client.smembers(self.keys.nodes()).await.map_err(unavailable)?;
        let asked = names.iter().map(async |name| {
            let id = NodeId::from(name.as_str());
            if !lives(&self.client, &self.keys, &id).await? {
                return Ok(None);
            }
            let left: i64 = self.client.pttl(self.keys.lease(name)).await.map_err(unavailable)?;
            // It may have ended since the look before.
            let Ok(left) = u64::try_from(left) else { return Ok(None) };
            Ok(Some(Node { is_self: id == own, id, lease: Some(Duration::from_millis(left)) }))
        });
        let mut nodes: Vec<Node> = try_join_all(asked).await?.into_iter().flatten().collect();
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(nodes)
    }
}
