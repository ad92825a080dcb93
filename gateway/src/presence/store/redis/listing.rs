//! Who is present, as it stands in Redis: read alone, by pods and by those who are none.

use std::collections::HashSet;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use fred::types::{CustomCommand, Value};

use super::super::StoreError;
use super::encoding::{snapshot, texts, unavailable};
use super::lease;
use crate::ids::NodeId;
use crate::presence::record::{Record, RecordId};
use crate::redis::Keys;

/// The records of all live nodes at a time of the server's clock, in milliseconds. It writes nothing.
pub(in crate::presence) async fn live_records(
    client: &Client,
    keys: &Keys,
    topic: &str,
    now: u64,
) -> Result<Vec<Record>, StoreError> {
    let hash: Value = client.hgetall(keys.presence(topic)).await.map_err(unavailable)?;
    let words: Vec<String> = match hash {
        Value::Map(map) => map
            .inner()
            .into_iter()
            .flat_map(|(field, value)| [field.into_string(), value.into_string()])
            .map(Option::unwrap_or_default)
            .collect(),
        other => texts(other),
    };
    let mut records = snapshot(words.into_iter()).unwrap_or_default().records;
    records.retain(|record| record.until.is_none_or(|until| now < until));
    let nodes: HashSet<NodeId> = records.iter().map(|record| record.id.node.clone()).collect();
    for node in nodes.iter().filter(|node| !RecordId::belongs_to_topic(node)) {
        if !lives(client, keys, node).await? {
            records.retain(|record| record.id.node != *node);
        }
    }
    Ok(records)
}

/// Whether a node has a lease.
pub(super) async fn lives(client: &Client, keys: &Keys, node: &NodeId) -> Result<bool, StoreError> {
    let lease: Option<String> = client.get(keys.lease(node.as_str())).await.map_err(unavailable)?;
    Ok(lease.is_some_and(|text| lease::about(&text).is_some()))
}

/// The server's clock, in milliseconds since 1970.
pub(in crate::presence) async fn server_time(client: &Client) -> Result<u64, StoreError> {
    let command = CustomCommand::new_static("TIME", None, false);
    let reply: Value = client.custom(command, Vec::<Value>::new()).await.map_err(unavailable)?;
    let parts: Vec<u64> = texts(reply).iter().filter_map(|part| part.parse().ok()).collect();
    let [seconds, micros] = parts[..] else { return Err(StoreError::Unavailable) };
    Ok(seconds * 1000 + micros / 1000)
}
