use gateway::pubsub::PublishError;
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
    pub(crate) body: String,
}

impl Channel for RoomChannel {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.room = cx.topic().trim_start_matches("room:").to_owned();
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
                let NewMessage { body } = payload.parse()?;
                if let Err(errors) = Message::validate(&body) {
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": errors }))));
                }
                let message = self.store.insert_message(&self.room, &self.user.id, &body).await?;
                cx.broadcast("message:new", json!(message)).await?;
                self.notify_mentioned(&message, cx).await?;
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

    /// Tells members who are called by `@name`, wherever they are.
    async fn notify_mentioned(&self, message: &Message, cx: &Context) -> Result<(), PublishError> {
        for name in message.body.split_whitespace().filter_map(|word| word.strip_prefix('@')).take(5) {
            let mention = json!({ "room": self.room, "user_id": self.user.id, "body": message.body });
            cx.endpoint().broadcast(&format!("notifications:{name}"), "mentioned", mention).await?;
        }
        Ok(())
    }
}
