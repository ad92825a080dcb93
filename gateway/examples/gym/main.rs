//! A gym: participants complete exercises, trainers see how everybody does.
//!
//! `make gym`, then open the address that it prints in two windows. The interesting file is
//! `training_session_channel.rs`.

mod session_controller;
#[path = "../shared/mod.rs"]
mod shared;
#[cfg(test)]
mod tests;
mod training_session_channel;
mod user_socket;

use gateway::{CheckOrigin, Gateway, InvalidPattern, Mount, Router};

use shared::AnyError;
use training_session_channel::TrainingSessionChannel;
use user_socket::UserSocket;

/// The socket and its channels.
fn socket() -> Result<Mount, InvalidPattern> {
    let channels = Router::new().channel("training_session:*", TrainingSessionChannel::default)?;
    Ok(Mount::new("/socket", UserSocket, channels).check_origin(CheckOrigin::Conn))
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let config = shared::config()?;
    let page = shared::page::routes(include_str!("page/index.html"), include_str!("page/page.js"))?;
    let builder = Gateway::builder(config).mount(socket()?);
    shared::serve(builder.routes(|endpoint| page.merge(session_controller::routes(endpoint.clone())))).await
}
