//! The result of a run: figures, notices and checks, as a table on stdout, as JSON and as a page; and two of them compared.
//!
//! Scenarios fill a [`Report`]; only `output.rs` prints.

mod compare;
mod html;
mod machine;
mod output;
mod plot;
mod result;

pub(crate) use compare::{compare, read_result};
pub(crate) use output::{Progress, complain, say};
pub(crate) use plot::{Axis, Plot, Scale, Series, Shape};
pub(crate) use result::{Meter, Report, Section};
