use std::time::Duration;

use fred::interfaces::KeysInterface;
use futures_util::future::try_join_all;

use super::super::{Events, StoreError};
use super::encoding::unavailable;
use super::store::Redis;
use crate::presence::model::Node;

impl<E: Events + 'static> Redis<E> {
    /// The nodes that have a lease.
    pub(super) async fn live_nodes(&self) -> Result<Vec<Node>, StoreError> {
        let own = self.held.lock().node.clone();
        let asked = self.leases().await?.into_iter().map(async |(id, about)| {
            let Some(about) = about else { return Ok(None) };
            let left: i64 = self.client.pttl(self.keys.lease(id.as_str())).await.map_err(unavailable)?;
            // It may have ended since the look before.
            let Ok(left) = u64::try_from(left) else { return Ok(None) };
            Ok(Some(Node { is_self: id == own, id, lease: Some(Duration::from_millis(left)), about }))
        });
        let mut nodes: Vec<Node> = try_join_all(asked).await?.into_iter().flatten().collect();
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(nodes)
    }
}
