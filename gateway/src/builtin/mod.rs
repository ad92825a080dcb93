//! What the binary offers without a line of Rust: the relay channel, the webhook channel around it and the socket that goes
//! with them, all made of the configuration.

mod archive;
mod attendance;
mod membership;
mod permit;
mod relay;
mod renewal;
mod socket;
mod webhook;
mod webhook_visit;

pub(crate) use archive::{Archive, Author, Receipt, as_broadcast};
pub use relay::relay_routes;
pub use socket::RelaySocket;
pub(crate) use webhook::configured_routes;
