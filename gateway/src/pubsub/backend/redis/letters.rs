//! What is asked of Redis beside broadcasts and orders: letters to one node, and secrets that all nodes share.
//!
//! Letters take no lane: they have no order, and each is waited for by whoever sends it.

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{KeysInterface, PubsubInterface};
use fred::types::{SetOptions, Value};

use crate::pubsub::error::Unavailable;

/// Sends a letter; how many heard it.
pub(super) async fn send(client: &Client, sharded: bool, channel: String, letter: Bytes) -> Result<usize, Unavailable> {
    let sent = if sharded { client.spublish(channel, letter).await } else { client.publish(channel, letter).await };
    sent.map_err(|error| unavailable(&error))
}

/// The secret that stands there, or the proposal if there is none.
pub(super) async fn shared_secret(client: &Client, key: String, proposal: Bytes) -> Result<Bytes, Unavailable> {
    let set = client.set::<Value, _, _>(key.as_str(), proposal, None, Some(SetOptions::NX), false);
    set.await.map_err(|error| unavailable(&error))?;
    let secret: Option<Bytes> = client.get(key).await.map_err(|error| unavailable(&error))?;
    secret.ok_or(Unavailable)
}

fn unavailable(error: &Error) -> Unavailable {
    tracing::debug!(%error, "Redis has not answered");
    Unavailable
}
