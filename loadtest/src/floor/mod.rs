//! The floor: the least a server can do, to compare a real one with.
//!
//! It accepts plain upgrades, answers joins, leaves and heartbeats, and sends each push to all sockets joined to its topic as
//! one pre-built frame with one `write` per socket: what remains is the price of the kernel. With `coalesce`, all frames that
//! arrived together leave in one `write` per socket: the best that any server can do without leaving the kernel's sockets.
//! A push of the event `echo` is only answered. With `presence` it also tells who is in a topic. It checks nothing, limits nothing, and must never face a network.

mod child;
mod presence;
mod server;
mod socket;

pub(crate) use child::FloorProcess;
pub(crate) use server::{Powers, run};
