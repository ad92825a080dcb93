//! The result of a run: figures, notices and checks, as a table on stdout and as JSON.
//!
//! Scenarios fill a [`Report`]; only `output.rs` prints.

mod machine;
mod output;
mod result;

pub(crate) use output::{Progress, complain, say};
pub(crate) use result::{Report, Section};
