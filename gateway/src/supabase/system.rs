use serde_json::json;

use crate::channel::{Context, JoinError, Outcome};
use crate::socket::SYSTEM;
use crate::wire::{Payload, topic_on_the_wire};

/// What stands before the name of every topic on the wire.
pub(super) const PREFIX: &str = "realtime:";

/// The name of a channel's topic as its application has given it.
pub(super) fn name(cx: &Context) -> &str {
    let topic = topic_on_the_wire(cx.topic());
    topic.strip_prefix(PREFIX).unwrap_or(topic)
}

/// Tells the client what went wrong, and ends the channel. Stock clients don't join it again by themselves.
pub(super) fn shut_down(cx: &Context, message: &str) -> Outcome {
    let payload = json!({ "extension": "system", "status": "error", "message": message, "channel": name(cx) });
    if let Err(error) = cx.push(SYSTEM, Payload::from(payload)) {
        tracing::debug!(topic = cx.topic(), %error, "a system message could not be encoded");
    }
    Outcome::Stop(None)
}

/// Refuses a join with a reason that begins with a word by which clients tell it.
pub(super) fn refuse(code: &str, text: &str) -> JoinError {
    JoinError::reason(&format!("{code}: {text}"))
}
