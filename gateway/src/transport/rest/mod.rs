//! Broadcasts by plain requests, for clients of Supabase's dialect (protocol 8.9): some of them speak before they have joined,
//! and back ends with a key never join.
//!
//! `app` says which mounts have them. What is accepted goes to `pubsub` as if a client had sent it, with nobody left out.
//!
//! Invariants: no body is read before its token is known to be good and the web page behind it, if there is one, may connect;
//! no body is larger than its mount allows; 202 means that `pubsub` has accepted all of it; nothing of a request that has a
//! mistake is sent.

mod answer;
mod batch;
mod body;
mod mount;
mod paths;
mod publish;
mod requests;
mod single;

pub(crate) use mount::RestMount;
pub(crate) use requests::rest_routes;
