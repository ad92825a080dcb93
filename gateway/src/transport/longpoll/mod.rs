//! Long polling: connections of clients that have requests alone (protocol section 6).
//!
//! A session is a connection like any other: the same driver and outbox, one task, an entry in the registry. Its client polls
//! with GET, which waits for messages, and sends with POST. `routes` hands every request of a mount's `/longpoll` here.
//! Requests and the session's task meet at a `Desk`.
//!
//! A request may reach any pod. The session's token names the node that holds it, so another pod asks that one by a letter
//! over Redis (`pubsub`) and passes on its answer.
//!
//! Invariants: nothing is forwarded, and no body read, for a token that this deployment has not signed within two weeks; no
//! body is read, either, before the pod of its session is known to live and one of the session's places is taken; a message
//! leaves the session only when a poll has taken it, and when that may have come to nothing no later one leaves, which another pod
//! has to confirm; every wait has its end; what waits for a client is bounded by its outbox,
//! what it has sent by a number of requests and a size of each, and what goes from pod to pod by bytes.

mod answer;
mod body;
mod desk;
mod forward;
mod letter;
mod open;
mod places;
mod query;
mod requests;
mod secret;
mod serve;
mod service;
mod session;
mod sessions;
mod token;
mod way;

pub(crate) use service::LongPolls;

pub(super) use requests::{LongPollMount, handle};
