use std::collections::BTreeSet;

use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload, Reply};
use serde::Deserialize;
use serde_json::json;

use crate::store::{Message, Store};
use crate::user_socket::User;

/// One member in one room.
pub(crate) struct RoomChannel {
    store: Store,
    user: User,
    room: String,
}

#[derive(Deserialize)]
pub(crate) struct NewMessage {
    /// None, and null, are a blank body: the sender is told so, as by a form.
    pub(crate) body: Option<String>,
}

impl Channel for RoomChannel {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.room = cx.topic().strip_prefix("room:").unwrap_or_default().to_owned();
        self.user = cx.client().assign::<User>().cloned().ok_or_else(|| JoinError::reason("unauthorized"))?;
        if self.store.is_member(&self.room, &self.user.id).await? {
            Ok(Payload::empty())
        } else {
            Err(JoinError::reason("unauthorized"))
        }
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("messages:history", json!({ "messages": self.store.last_messages(&self.room, 50).await? }))?;
        cx.presence().push_state().await?;
        cx.presence().track(&self.user.id, &json!({ "device": self.user.device })).await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "message:new" => {
                let body = payload.parse::<NewMessage>()?.body.unwrap_or_default();
                if let Err(errors) = Message::validate(&body) {
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": errors }))));
                }
                let message = self.store.insert_message(&self.room, &self.user.id, &body).await?;
                cx.broadcast("message:new", json!(message)).await?;
                self.notify_mentioned(&message, cx).await;
                Ok(Outcome::ok())
            }
            "typing:start" => {
                cx.broadcast_from("typing:start", json!({ "user_id": self.user.id })).await?;
                Ok(Outcome::NoReply)
            }
            _ => Ok(Outcome::error("unknown event")),
        }
    }
}

impl RoomChannel {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, user: User::default(), room: String::new() }
    }

    /// Tells members of the room who are called by `@name`, wherever they are. The message is sent already: what goes
    /// wrong here is no reason to tell its sender that it is not.
    async fn notify_mentioned(&self, message: &Message, cx: &Context) {
        let mention = json!({ "room": self.room, "user_id": self.user.id, "body": message.body });
        for name in mentioned(&message.body) {
            let told = match self.store.is_member(&self.room, name).await {
                Ok(true) => {
                    cx.endpoint().broadcast(&format!("notifications:{name}"), "mentioned", mention.clone()).await
                }
                // What is said in a room is for its members.
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(%error, "whether a member is mentioned cannot be read");
                    continue;
                }
            };
            if let Err(error) = told {
                tracing::warn!(%error, "a member is mentioned, but perhaps not notified");
            }
        }
    }
}

/// The names in a text that words begin with, after an `@`: five at most.
fn mentioned(body: &str) -> BTreeSet<&str> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let names = body.split_whitespace().filter_map(|word| word.strip_prefix('@'));
    let names = names.map(|rest| rest.split(|character| !is_of_name(character)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).take(5).collect()
}
