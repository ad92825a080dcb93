use serde_json::json;

use super::api_client::ApiClient;
use super::args::PublishArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::connect_redis;
use crate::config::Config;
use crate::pubsub::{Broadcast, PublishError};
use crate::wire::{Payload, is_reserved_event};

/// Broadcasts one event, through Redis if a URL is given, else through the API of a running gateway.
pub(super) fn publish(config: &Config, options: &PublishArgs) -> Result<(), Failure> {
    let PublishArgs { topic, event, payload, api } = options;
    if topic.is_empty() || event.is_empty() {
        return Err(Failure::Usage("the topic and the event must not be empty".to_owned()));
    }
    if is_reserved_event(event) {
        return Err(Failure::Usage(format!("the event {event:?} belongs to the protocol")));
    }
    runtime()?.block_on(async {
        if config.redis.url.is_some() {
            let redis = connect_redis(config).await?;
            let payload = Payload::Json(payload.get().to_owned().into());
            let broadcast =
                Broadcast { topic: topic.as_str().into(), event: event.as_str().into(), payload, exclude: None };
            redis.pubsub.broadcast(broadcast).await.map_err(|error| match error {
                PublishError::Unavailable => Failure::unavailable(error),
                PublishError::InvalidPayload | PublishError::TooLarge => Failure::Usage(error.to_string()),
            })?;
            redis.close().await;
        } else {
            let body = json!({ "topic": topic, "event": event, "payload": payload });
            ApiClient::new(api)?.post("/api/v1/broadcast", &body).await?;
        }
        print(&format!("{}\n", json!({ "topic": topic, "event": event, "accepted": true })));
        Ok(())
    })
}
