//! A chat: rooms for members, what was said before, who is there and who types, and notifications for one user.
//!
//! `make chat`, then open the address that it prints in two windows. The interesting file is `room_channel.rs`.

#[path = "../shared/database.rs"]
mod database;
mod lobby_channel;
mod notifications_channel;
mod room_channel;
mod session_controller;
#[path = "../shared/mod.rs"]
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod user_socket;

use gateway::{CheckOrigin, Gateway, InvalidPattern, Mount, Router};

use lobby_channel::LobbyChannel;
use notifications_channel::NotificationsChannel;
use room_channel::RoomChannel;
use shared::AnyError;
use store::{SCHEMA, Store};
use user_socket::UserSocket;

/// The socket and its channels.
fn socket(store: &Store) -> Result<Mount, InvalidPattern> {
    let of_rooms = store.clone();
    let channels = Router::new()
        .channel("room:lobby", LobbyChannel::default)?
        .channel("room:*", move || RoomChannel::new(of_rooms.clone()))?
        .channel("notifications:*", || NotificationsChannel)?;
    Ok(Mount::new("/socket", UserSocket::new(store.clone()), channels).check_origin(CheckOrigin::Conn))
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let config = shared::config()?;
    let page = shared::page::routes(include_str!("page/index.html"), include_str!("page/page.js"))?;
    let store = Store::new(database::connect(SCHEMA).await?);
    let builder = Gateway::builder(config).mount(socket(&store)?);
    shared::serve(builder.routes(|endpoint| page.merge(session_controller::routes(store, endpoint.clone())))).await
}
