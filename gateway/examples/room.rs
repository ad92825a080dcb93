//! A chat room on the library: who may connect, who may join, what happens to a message.
//!
//! `cargo run --example room`, then connect any Phoenix client to `ws://127.0.0.1:4000/socket` with the param `name`. With
//! `GATEWAY_REDIS__URL=redis://127.0.0.1:6379` several of them (`GATEWAY_LISTEN__PUBLIC=127.0.0.1:4010` …) are one system.

use std::error::Error;
use std::time::Duration;

use gateway::config::{Config, Flags, Mode, process_environment};
use gateway::{
    Accepted, Channel, ConnectError, ConnectInfo, Context, Ended, Gateway, HandlerResult, Info, JoinContext, JoinError,
    JoinResult, Mount, Outcome, Params, Payload, Reply, Router, Socket,
};
use serde::Deserialize;
use serde_json::json;

/// Who is at the other end of a socket: left by `connect`, read by all its channels.
pub(crate) struct User {
    name: String,
}

/// Decides who may connect.
pub(crate) struct UserSocket;

impl Socket for UserSocket {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let name = params.get("name").filter(|name| !name.is_empty()).ok_or_else(ConnectError::refused)?;
        // All sockets with this id can be closed together: `endpoint.disconnect("user_socket:ann")`.
        Ok(Accepted::new().id(format!("user_socket:{name}")).assign(User { name: name.to_owned() }))
    }
}

/// One client in one room.
#[derive(Default)]
pub(crate) struct RoomChannel {
    name: String,
    sent: u32,
}

/// A message of the channel to itself.
struct Remind;

#[derive(Deserialize)]
struct NewMessage {
    body: String,
}

impl Channel for RoomChannel {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        let user = cx.client().assign::<User>().ok_or_else(|| JoinError::reason("unauthorized"))?;
        if cx.topic() == "room:staff" && user.name != "boss" {
            return Err(JoinError::reason("unauthorized"));
        }
        self.name.clone_from(&user.name);
        Ok(json!({ "you_are": self.name }).into())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("welcome", json!({ "topic": cx.topic() }))?;
        cx.broadcast_from("user_entered", json!({ "name": self.name })).await?;
        cx.send_after(Duration::from_secs(60), Remind);
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "new_msg" => {
                let Ok(NewMessage { body }) = payload.parse() else { return Ok(Outcome::error("body is missing")) };
                if body.is_empty() {
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": { "body": "can't be blank" } }))));
                }
                self.sent += 1;
                cx.broadcast("new_msg", json!({ "name": self.name, "body": body })).await?;
                Ok(Outcome::ok())
            }
            "typing" => {
                cx.broadcast_from("typing", json!({ "name": self.name })).await?;
                Ok(Outcome::NoReply)
            }
            "count" => Outcome::ok_with(&json!({ "sent": self.sent })),
            _ => Ok(Outcome::error("unknown event")),
        }
    }

    async fn handle_info(&mut self, info: Info, cx: &mut Context) -> HandlerResult {
        if info.downcast_ref::<Remind>().is_some() {
            cx.push("still_here", json!({ "sent": self.sent }))?;
        }
        Ok(Outcome::NoReply)
    }

    async fn terminate(&mut self, _reason: Ended, cx: &mut Context) {
        // Nobody is left to tell when this fails.
        let _unsent = cx.broadcast_from("user_left", json!({ "name": self.name })).await;
    }
}

/// The rooms.
pub(crate) fn rooms() -> Router {
    Router::new().channel("room:*", RoomChannel::default).expect("the pattern is a prefix")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::load(Mode::Dev, None, process_environment(), &Flags::default())?;
    gateway::telemetry::init(&config.log)?;
    let gateway = Gateway::builder(config).mount(Mount::new("/socket", UserSocket, rooms())).start().await?;
    tracing::info!(address = %gateway.public_addr(), "clients connect here");
    tokio::signal::ctrl_c().await?;
    gateway.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use gateway::testing::{ANY, ChannelTest};

    use super::*;

    fn test() -> ChannelTest {
        ChannelTest::new(Mount::new("/socket", UserSocket, rooms()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_checked_then_broadcast_and_counted() {
        let ann = test().connect(json!({ "name": "ann" })).await.unwrap();
        let (reply, room) = ann.subscribe_and_join("room:lobby", json!({})).await.unwrap();
        assert_eq!(reply, json!({ "you_are": "ann" }));
        room.assert_push("welcome", json!({ "topic": "room:lobby" })).await;
        let errors = json!({ "errors": { "body": ANY } });
        room.push("new_msg", json!({ "body": "" })).assert_reply("error", errors).await;
        room.refute_broadcast("new_msg", json!({})).await;
        room.push("new_msg", json!({ "body": "hi" })).assert_reply("ok", json!({})).await;
        room.assert_broadcast("new_msg", json!({ "name": "ann", "body": "hi" })).await;
        room.push("count", json!({})).assert_reply("ok", json!({ "sent": 1 })).await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_boss_joins_the_staff() {
        let test = test();
        let ann = test.socket(Accepted::new().assign(User { name: "ann".to_owned() }));
        let refused = ann.subscribe_and_join("room:staff", json!({})).await.unwrap_err();
        assert_eq!(refused, json!({ "reason": "unauthorized" }));
        let boss = test.socket(Accepted::new().assign(User { name: "boss".to_owned() }));
        assert!(boss.subscribe_and_join("room:staff", json!({})).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn others_learn_who_comes_types_and_goes() {
        let test = test();
        let (ann, bob) = (json!({ "name": "ann" }), json!({ "name": "bob" }));
        let (ann, bob) = (test.connect(ann).await.unwrap(), test.connect(bob).await.unwrap());
        let (_, ann_in_room) = ann.subscribe_and_join("room:lobby", json!({})).await.unwrap();
        let (_, bob_in_room) = bob.subscribe_and_join("room:lobby", json!({})).await.unwrap();
        ann_in_room.assert_push("user_entered", json!({ "name": "bob" })).await;
        bob_in_room.push("typing", json!({})).refute_reply("ok", json!({})).await;
        ann_in_room.assert_push("typing", json!({ "name": "bob" })).await;
        bob_in_room.refute_push("typing", json!({})).await;
        bob_in_room.send(Remind);
        bob_in_room.assert_push("still_here", json!({ "sent": 0 })).await;
        bob.close().await;
        ann_in_room.assert_push("user_left", json!({ "name": "bob" })).await;
        ann_in_room.leave().assert_reply("ok", json!({})).await;
        ann_in_room.assert_push("phx_close", json!({})).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_sockets_of_a_user_are_disconnected_together() {
        let test = test();
        let ann = test.connect(json!({ "name": "ann" })).await.unwrap();
        test.endpoint().disconnect("user_socket:ann").await.unwrap();
        assert_eq!(ann.assert_closed().await, gateway::CloseReason::Disconnected);
    }
}
