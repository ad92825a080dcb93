//! The HTTP that is not a socket: health, metrics, the internal API and, in development, the page. One file per resource.
//!
//! Built by `app`, served by `transport`'s listeners. Errors are problem documents (RFC 9457) with one line that tells
//! what to do.

mod access;
mod broadcast;
mod disconnect;
mod events;
mod health;
mod internal;
mod metrics;
mod page;
mod problem;
mod topics;

pub(crate) use access::Access;
pub(crate) use internal::{Internal, internal_routes};
pub(crate) use page::page_routes;
