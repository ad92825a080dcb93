use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload, Reply};
use serde_json::json;

use crate::room_channel::NewMessage;
use crate::store::Message;
use crate::user_socket::User;

/// `room:lobby`, open to all and not stored.
#[derive(Default)]
pub(crate) struct LobbyChannel {
    user: User,
}

impl Channel for LobbyChannel {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.user = cx.client().assign::<User>().cloned().ok_or_else(|| JoinError::reason("unauthorized"))?;
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "new_msg" => {
                let body = payload.parse::<NewMessage>()?.body.unwrap_or_default();
                if let Err(errors) = Message::validate(&body) {
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": errors }))));
                }
                cx.broadcast("new_msg", json!({ "body": body, "user_id": self.user.id })).await?;
                Ok(Outcome::ok())
            }
            _ => Ok(Outcome::error("unknown event")),
        }
    }
}
