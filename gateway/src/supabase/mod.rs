//! Supabase Realtime's dialect for Broadcast and Presence (`dialect = "supabase"` of a mount): who may connect with which API
//! key, and the channel behind every topic `realtime:…` (protocol, section 8). Postgres changes are not offered.
//!
//! `app` mounts it. What its frames look like stands in `wire` (`supabase.rs`, `user_broadcast.rs`); where its connections
//! differ from those of Phoenix, in `socket/supabase.rs`. All else is the stock code.
//!
//! Never: a topic that is private is not heard in the public one of its name, nor the other way round; what a token does
//! not grant is never granted because a client asks for it; no frame has a payload with a field `ids`, which stock clients
//! take for a Postgres change and fail on.

mod attendance;
mod broadcast;
mod channel;
mod join_config;
mod mount;
mod replay;
mod rules;
mod socket;
mod speakers;
mod system;
mod token;

pub(crate) use mount::supabase_mount;
pub(crate) use speakers::{Audience, Speaker, Speakers};
