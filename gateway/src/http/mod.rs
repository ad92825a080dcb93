//! The HTTP that is not a socket: health, metrics, the internal API and, in development, the page. One file per resource.
//!
//! Built by `app`, served by `transport`'s listeners. Errors are problem documents (RFC 9457) with one line that tells
//! what to do. What the API looks like stands in `openapi.json`, which is served, and which tests compare with the routes
//! and with real answers.

mod access;
mod api;
mod archive;
mod batch;
mod broadcast;
mod disconnect;
mod document;
mod events;
mod health;
mod history;
mod internal;
mod members;
mod message;
mod metrics;
mod nodes;
mod page;
mod paging;
mod problem;
mod sent;
mod topic;
mod topics;
mod trace;

pub(crate) use access::Access;
pub(crate) use api::Api;
pub(crate) use internal::{Internal, internal_routes};
pub(crate) use page::page_routes;
