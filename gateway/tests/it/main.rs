//! What the gateway does, seen from outside: raw clients over TCP against gateways that the tests start themselves.
//!
//! One file per behaviour. A test that proves a row of the conformance checklist (docs/PROTOCOL.md) begins with its
//! number: `row_095_…`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

mod api_document;
mod api_pods;
mod application;
mod archive;
mod bad_credentials;
mod broadcast;
mod client_address;
mod command_line;
mod compression;
mod conformance_page;
mod crashes;
mod disconnect;
mod doctor;
mod draining;
mod ending;
mod example;
mod handshake_info;
mod handshake_logs;
mod handshake_paths;
mod handshake_refusal;
mod handshake_subprotocol;
mod handshake_version;
mod health;
mod heartbeat;
mod idempotency;
mod intercept;
mod internal_api;
mod isolation;
mod join;
mod keepalive;
mod leave;
mod limits;
mod log_injection;
mod longpoll;
mod longpoll_ending;
mod longpoll_garbage;
mod longpoll_pods;
mod longpoll_refusals;
mod malformed;
mod malformed_frames;
mod malformed_http;
mod members;
mod messages;
mod migrate;
mod mixed_versions;
mod orderly_stop;
mod origin;
mod overload;
mod presence;
mod presence_api;
mod presence_large;
mod presence_library;
mod presence_pods;
mod proxy_protocol;
mod publish_and_tail;
mod rate_limits;
mod rebalance;
mod recovery;
mod redis_outage;
mod redis_tls;
mod rejoin;
mod replies;
mod secrets;
mod serialization;
mod testing_kit;
mod timers;
mod tls;
mod token_expiry;
mod token_keys;
mod token_rights;
mod token_sources;
mod trace_context;
mod two_pods;
mod waiting;
mod webhooks;
