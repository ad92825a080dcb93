//! Counts the instructions of operations, and compares them with those that are tracked in a file.
//!
//! Called by the benches beside it. Each operation is counted in a process of its own, this program under callgrind, so
//! that none depends on what another left in the allocator.

mod callgrind;
mod command;
mod machine;
mod meter;
mod table;
mod tracked;

pub(crate) use command::run;
pub(crate) use meter::{Bench, Meter};
