//! How many clients a pod takes, from where, and how fast: `[limits]`, before anything of a request is read.
//!
//! The accept loop asks for each connection whose client is known by its TCP address; for those of trusted proxies the
//! routes ask, once the headers tell the client's address. A [`Permit`] is held until the connection has ended.
//!
//! Invariants: what is refused costs no session and no parsing; the table holds an address only while it has
//! connections or has just tried, and a bounded number of the latter; nothing here waits.

mod address;
mod gate;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use gate::Admission;
pub(super) use gate::{Permit, Refused};
