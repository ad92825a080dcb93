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
