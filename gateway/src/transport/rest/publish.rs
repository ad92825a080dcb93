use futures_util::future::join_all;

use super::answer::{JSON_ONLY, Refused};
use crate::pubsub::{Broadcast, PubSub, PublishError};
use crate::supabase::{Audience, Speaker};
use crate::wire::{BROADCAST, Content, Payload, Reason, UserBroadcast};

/// A message that can be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) audience: Audience,
    /// The client's own event.
    pub(super) event: String,
    /// As it travels, with the client's event and payload in it.
    pub(super) payload: Payload,
}

impl Message {
    /// The message in the form that its topic takes.
    ///
    /// # Errors
    /// When its sender may not say it there, or when it cannot be kept there.
    pub(super) fn allowed(self, speaker: &Speaker<'_>) -> Result<Self, Refused> {
        let Self { audience, event, payload } = self;
        let payload = speaker.say(&event, payload, &audience).map_err(|reason| match reason {
            Reason::Forbidden => Refused::Forbidden,
            _ => Refused::invalid("payload", JSON_ONLY),
        })?;
        Ok(Self { audience, event, payload })
    }
}

/// The payload of a message that is a frame of kind 4 for version 2. None: its event is too long.
pub(super) fn frame(event: &str, content: Content<'_>) -> Option<Payload> {
    UserBroadcast { event, metadata: "", content }.to_payload()
}

/// Sends messages in their order. All are under way before the first is awaited.
///
/// # Errors
/// When one of them was not accepted. The others may have been.
pub(super) async fn publish(messages: impl IntoIterator<Item = Message>, pubsub: &PubSub) -> Result<(), Refused> {
    let send = |message| {
        let Message { audience, payload, .. } = message;
        let broadcast = Broadcast { topic: audience.topic.into(), event: BROADCAST.into(), payload, exclude: None };
        pubsub.broadcast(broadcast)
    };
    let sending: Vec<_> = messages.into_iter().map(send).collect();
    join_all(sending).await.into_iter().try_for_each(|sent| match sent {
        Ok(_) => Ok(()),
        Err(PublishError::Unavailable) => Err(Refused::Unavailable),
        Err(PublishError::TooLarge) => Err(Refused::too_large()),
        Err(PublishError::InvalidPayload | PublishError::BinaryNotSupported) => {
            Err(Refused::invalid("payload", JSON_ONLY))
        }
    })
}
