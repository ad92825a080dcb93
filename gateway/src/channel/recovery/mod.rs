//! What a client missed of a topic with history: asked for by the join param `recover`, proved, and replayed between the
//! answer to the join and what comes live (design 6, ruling 7).
//!
//! Called by the slots of channels. It decides what can be proved and reads pages; it knows no sockets, and attaches
//! nobody itself.
//!
//! Invariants: a client gets exactly what follows the position that it named, in order, or is told that it does not;
//! a page is read when the client has room for it, once for all that need it at a time; a replay never overtakes what
//! this pod has delivered, so that its end meets the live messages.

mod begin;
mod cursor;
mod pages;
mod replay;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub(super) use begin::{Start, begin};
pub(super) use pages::{Pages, Shared};
pub(super) use replay::{Next, Replay};
pub(super) use reply::with_recovery;
pub(super) use request::{InvalidRecover, Recover};
