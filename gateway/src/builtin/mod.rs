//! What the binary offers without a line of Rust: the relay channel and the socket that goes with it, both made of the
//! configuration.

mod attendance;
mod permit;
mod relay;
mod renewal;
mod socket;

pub use relay::relay_routes;
pub use socket::RelaySocket;
