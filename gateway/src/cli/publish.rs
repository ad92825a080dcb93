use serde_json::{Value, json};

use super::api_client::ApiClient;
use super::args::PublishArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::connect_redis;
use crate::config::Config;
use crate::pubsub::{Acceptance, Broadcast, PublishError};
use crate::wire::{Payload, is_reserved_event};

/// Broadcasts one event, through Redis if a URL is given, else through the API of a running gateway.
pub(super) fn publish(config: &Config, options: &PublishArgs) -> Result<(), Failure> {
    let PublishArgs { topic, event, payload, idempotency_key, api } = options;
    if topic.is_empty() || event.is_empty() {
        return Err(Failure::Usage("the topic and the event must not be empty".to_owned()));
    }
    if is_reserved_event(event) {
        return Err(Failure::Usage(format!("the event {event:?} belongs to the protocol")));
    }
    runtime()?.block_on(async {
        let duplicate = if config.redis.url.is_some() {
            let redis = connect_redis(config).await?;
            let payload = Payload::Json(payload.get().to_owned().into());
            let broadcast =
                Broadcast { topic: topic.as_str().into(), event: event.as_str().into(), payload, exclude: None };
            let publication = redis.pubsub.broadcast_keyed(broadcast, idempotency_key.clone());
            let acceptance = publication.await.map_err(|error| match error {
                PublishError::Unavailable => Failure::unavailable(error),
                PublishError::InvalidPayload | PublishError::TooLarge | PublishError::BinaryNotSupported => {
                    Failure::Usage(error.to_string())
                }
            })?;
            redis.close().await;
            acceptance == Acceptance::Duplicate
        } else {
            let mut body = json!({ "topic": topic, "event": event, "payload": payload });
            if let Some(key) = idempotency_key {
                body["idempotency_key"] = json!(key.as_str());
            }
            let answer = ApiClient::new(api)?.post("/api/v1/broadcast", &body).await?;
            // Without a key there is no body.
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            answer["duplicate"] == true
        };
        let mut line = json!({ "topic": topic, "event": event, "accepted": true });
        if idempotency_key.is_some() {
            line["duplicate"] = json!(duplicate);
        }
        print(&format!("{line}\n"));
        Ok(())
    })
}
