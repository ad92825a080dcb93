//! Who may connect: so far, which web pages may.
//!
//! Called by `transport` during the handshake. Pure checks on what a request carries.

mod origin;

pub use origin::{CheckOrigin, Origin};
