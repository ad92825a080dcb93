//! Signed requests to the back ends of the configuration, and what they answer.
//!
//! Called by `builtin`: its webhook channel asks a [`Hook`] about joins and events, and tells it of leaves. `app` makes the
//! one [`Webhooks`] of a pod. This room knows no channel and no socket: it gets what is to be said of them as a
//! [`Visitor`], and gives back an [`Answer`] that is checked whole. The contract with back ends is docs/WEBHOOKS.md.
//!
//! Invariants: a call ends by its deadline; no more calls than a gate's lanes take are under way or wait, the rest is
//! refused at once; a request is never sent twice once a byte of it may have left; an answer is used whole or not at all;
//! no payload, secret or address of a client stands in the log.

mod answer;
mod breaker;
mod client;
mod error;
mod gate;
mod hook;
mod lane;
mod limits;
mod metrics;
mod request;
mod service;
mod share;
mod signature;
mod throttle;
mod visitor;

pub(crate) use answer::{Answer, Shown, Spoken, Verdict};
pub(crate) use error::CallError;
pub use error::ClientError;
pub(crate) use hook::Hook;
pub(crate) use metrics::Metrics;
pub(crate) use request::LeaveReason;
pub(crate) use service::Webhooks;
pub(crate) use visitor::{TraceContext, Visitor};
