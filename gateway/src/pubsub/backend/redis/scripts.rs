use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, Pipeline};
use fred::interfaces::PubsubInterface;
use fred::types::Value;

use crate::history::{Epoch, Retention};
use crate::pubsub::idempotency::REMEMBERED;
use crate::redis::Script;

/// How many orders are kept at least for pods that were cut off: some 400 KB.
const ORDERS: i64 = 4096;

/// How long they are kept after the last one.
const ORDERS_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The ways in which something is published.
#[derive(Debug)]
pub(super) struct Scripts {
    sharded: bool,
    once: Script,
    kept: Script,
    order: Script,
    pub(super) orders: Script,
}

impl Scripts {
    /// In a cluster, channels belong to slots.
    pub(super) fn new(sharded: bool) -> Self {
        Self {
            sharded,
            once: Script::new(include_str!("../../../redis/scripts/publish_once.lua")),
            kept: Script::new(include_str!("../../../redis/scripts/history_publish.lua")),
            order: Script::new(include_str!("../../../redis/scripts/order.lua")),
            orders: Script::new(include_str!("../../../redis/scripts/orders.lua")),
        }
    }

    /// Queues a message.
    pub(super) async fn publish(&self, pipeline: &Pipeline<Client>, channel: &str, message: Bytes) {
        // Queued in memory: what becomes of it is known when the pipeline has run.
        let _: Result<Value, _> = if self.sharded {
            pipeline.spublish(channel, message).await
        } else {
            pipeline.publish(channel, message).await
        };
    }

    /// Queues a message that is sent only if its key is new.
    pub(super) async fn publish_once(&self, pipeline: &Pipeline<Client>, channel: &str, key: &str, message: Bytes) {
        let keys = vec![key.to_owned(), channel.to_owned()];
        self.once.queue(pipeline, keys, vec![self.command(), message.into(), millis(REMEMBERED)]).await;
    }

    /// Queues a message that is appended to the history of its topic. The keys: position, stream, channel, and the
    /// idempotency key if it has one. `again`: there is one before it in the pipeline.
    pub(super) async fn publish_kept(
        &self,
        pipeline: &Pipeline<Client>,
        keys: Vec<String>,
        retention: Retention,
        message: Bytes,
        again: bool,
    ) {
        let arguments = vec![
            self.command(),
            message.into(),
            Epoch::random().as_str().into(),
            i64::from(retention.size()).into(),
            millis(retention.ttl()),
            millis(retention.life()),
            millis(REMEMBERED),
        ];
        if again {
            self.kept.queue_again(pipeline, keys, arguments).await;
        } else {
            self.kept.queue(pipeline, keys, arguments).await;
        }
    }

    /// Queues an order, which is also kept for those who do not hear it.
    pub(super) async fn order(&self, pipeline: &Pipeline<Client>, channel: &str, order: Bytes) {
        let arguments = vec![self.command(), order.into(), ORDERS.into(), millis(ORDERS_LIFE)];
        self.order.queue(pipeline, vec![channel.to_owned()], arguments).await;
    }

    fn command(&self) -> Value {
        if self.sharded { "SPUBLISH" } else { "PUBLISH" }.into()
    }
}

fn millis(duration: Duration) -> Value {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).into()
}
