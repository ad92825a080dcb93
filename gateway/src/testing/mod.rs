//! Tests of channels without a network, as `Phoenix.ChannelTest` has them. For the tests of applications; nothing else of
//! this crate uses it.
//!
//! A [`ChannelTest`] is one embedded pod with the sockets and channels of the application, and no listener. A [`TestSocket`]
//! stands for one connection, a [`TestChannel`] for a topic that it has joined. Messages take the way that they take in
//! production, from the encoded frame on, so what a test sees is what a client would see.
//!
//! ```
//! use gateway::testing::{ANY, ChannelTest};
//! use gateway::{Accepted, Mount, Router};
//! use serde_json::json;
//! # use gateway::{Channel, ConnectError, ConnectInfo, Context, HandlerResult, JoinContext, JoinError, JoinResult};
//! # use gateway::{Outcome, Params, Payload, Socket};
//! # struct UserSocket;
//! # impl Socket for UserSocket {
//! #     async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
//! #         let name = params.get("name").ok_or_else(ConnectError::refused)?;
//! #         Ok(Accepted::new().id(format!("user_socket:{name}")).assign(User(name.to_owned())))
//! #     }
//! # }
//! # struct User(String);
//! # #[derive(Default)]
//! # struct Room;
//! # impl Channel for Room {
//! #     async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
//! #         if cx.topic() == "room:secret" { Err(JoinError::reason("unauthorized")) } else { Ok(Payload::empty()) }
//! #     }
//! #     async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
//! #         cx.push("welcome", json!({ "topic": cx.topic(), "at": 7 }))?;
//! #         Ok(Outcome::NoReply)
//! #     }
//! #     async fn handle_in(&mut self, _event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
//! #         cx.broadcast_from("new_msg", payload).await?;
//! #         Ok(Outcome::ok())
//! #     }
//! # }
//!
//! // In an application: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     let router = Router::new().channel("room:*", Room::default).unwrap();
//!     let test = ChannelTest::new(Mount::new("/socket", UserSocket, router));
//!
//!     // Through the connect callback, or past it with an id and assigns.
//!     assert!(test.connect(json!({})).await.is_err());
//!     let alice = test.connect(json!({ "name": "alice" })).await.unwrap();
//!     let bob = test.socket(Accepted::new().id("user_socket:bob").assign(User("bob".to_owned())));
//!
//!     assert_eq!(bob.subscribe_and_join("room:secret", json!({})).await.unwrap_err(), json!({ "reason": "unauthorized" }));
//!     let (reply, alice_in_room) = alice.subscribe_and_join("room:lobby", json!({})).await.unwrap();
//!     assert_eq!(reply, json!({}));
//!     let (_, bob_in_room) = bob.subscribe_and_join("room:lobby", json!({})).await.unwrap();
//!     alice_in_room.assert_push("welcome", json!({ "at": ANY })).await;
//!
//!     alice_in_room.push("new_msg", json!({ "body": "hi" })).assert_reply("ok", json!({})).await;
//!     alice_in_room.assert_broadcast("new_msg", json!({ "body": "hi" })).await;
//!     bob_in_room.assert_push("new_msg", |message: &serde_json::Value| message["body"] == "hi").await;
//!     alice_in_room.refute_push("new_msg", json!({})).await;
//! }
//! ```
//!
//! Nothing sleeps where an event can be awaited: an `assert_…` resolves as soon as what it looks for is there, and panics
//! after [`PATIENCE`] with a list of what did come; a `refute_…` looks for [`QUIET`]. With tokio's paused clock
//! (`start_paused = true`, of tokio's feature `test-util`) both take no time at all, and are exact: the clock moves only when
//! nothing is left to do. A test that waits for something outside of tokio, such as a database, must let the clock run.
//!
//! | `Phoenix.ChannelTest` | here |
//! |---|---|
//! | `connect(UserSocket, params)` | [`ChannelTest::connect`], [`ChannelTest::connect_with_token`] |
//! | `socket(UserSocket, id, assigns)` | [`ChannelTest::socket`] |
//! | `subscribe_and_join(socket, Channel, topic, params)` | [`TestSocket::subscribe_and_join`]; the router finds the channel |
//! | `push(socket, event, payload)` | [`TestChannel::push`] |
//! | `assert_reply ref, status, pattern` | [`Reference::assert_reply`] |
//! | `assert_push`, `refute_push` | [`TestChannel::assert_push`], [`TestChannel::refute_push`] |
//! | `assert_broadcast`, `refute_broadcast` | [`TestChannel::assert_broadcast`], [`TestChannel::refute_broadcast`] |
//! | `broadcast_from(socket, …)` | [`ChannelTest::endpoint`] and [`crate::Endpoint::broadcast`] |
//! | `send(socket.channel_pid, message)` | [`TestChannel::send`] |
//! | `leave(socket)`, `close(socket)` | [`TestChannel::leave`], [`TestSocket::close`] |

mod channel;
mod frame;
mod journal;
mod pattern;
mod socket;
mod system;

pub use channel::{Reference, TestChannel};
pub use journal::{PATIENCE, QUIET};
pub use pattern::{ANY, Pattern};
pub use socket::TestSocket;
pub use system::ChannelTest;
