//! The settings of one gateway: defaults, then the file, then the environment, then the flags.
//!
//! Called by `cli`, which loads one [`Config`] and gives it to `app`. Every other room is handed the section it uses
//! (`&config::Socket`), never the whole. Plain data: this room opens no port, starts no task and imports no other room.
//!
//! Invariants: a setting that is not listed in docs/CONFIGURATION.md is refused, so that a typing mistake cannot pass
//! for a default; a [`Config`] that exists has passed all checks; a secret never stands in a message, in `Debug` or in
//! [`Config::redacted_toml`]; no input makes loading panic.

mod api;
mod auth;
mod channel;
mod database;
mod drain;
mod environment;
mod error;
mod events;
mod file;
mod history;
mod id_template;
mod keys;
mod limits;
mod listen;
mod load;
mod log;
mod mode;
mod nearest;
mod network;
mod origin;
mod origin_pattern;
mod presence;
mod print;
mod rebalance;
mod redis;
mod secret;
mod section;
mod service_url;
mod settings;
mod socket;
mod sources;
#[cfg(test)]
mod tests;
mod units;
mod validate;
mod webhook;

pub use api::Api;
pub use auth::{Algorithm, Auth, AuthKey, KeyMaterial};
pub use channel::{Channel, InvalidPattern, Join, Recipients, TopicPattern};
pub use database::{Database, DatabaseUrl};
pub use drain::Drain;
pub use environment::{Environment, process_environment};
pub use error::{ConfigError, Place};
pub use events::ClientEvents;
pub use history::History;
pub use id_template::IdTemplate;
pub use limits::Limits;
pub use listen::{Listen, TlsFiles};
pub use log::{Log, LogFormat};
pub use mode::{Flags, Mode};
pub use network::Network;
pub use origin::CheckOrigin;
pub use origin_pattern::{InvalidOrigin, OriginPattern};
pub use presence::Presence;
pub use rebalance::Rebalance;
pub use redis::{NEWEST_ENVELOPE, Redis, RedisUrl};
pub use secret::Secret;
pub use service_url::ServiceUrl;
pub use settings::Config;
pub use socket::{Dialect, MountPath, Socket};
pub use webhook::Webhook;

pub(crate) use units::parse_duration;
