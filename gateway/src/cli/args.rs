use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::config::{Flags, Secret, TopicPattern, parse_duration};
use crate::pubsub::IdempotencyKey;

/// A realtime gateway that speaks Phoenix Channels.
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway", version, about, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Args {
    /// What all commands take.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Settings come from the flags, else from GATEWAY_<SECTION>__<KEY> in the environment, else from the file.
Exit codes: 0 clean, 64 wrong usage, 69 a needed service is unavailable, 78 bad configuration.";

/// The flags that every command takes, before or after its name.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GlobalArgs {
    /// The configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port for clients, such as 0.0.0.0:4000; port 0 takes a free one
    #[arg(long, global = true, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address and port for health checks, metrics and the API
    #[arg(long, global = true, value_name = "ADDR")]
    pub internal_listen: Option<SocketAddr>,
    /// Where Redis is: redis://, rediss://, redis-cluster:// or redis-sentinel://; also env:NAME or file:PATH, which
    /// keep a password out of the process list
    #[arg(long, global = true, value_name = "URL")]
    pub redis_url: Option<Secret>,
    /// Where the database is: sqlite:// or postgres://; also env:NAME or file:PATH
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<Secret>,
}

impl GlobalArgs {
    /// The settings among them.
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen,
            internal_listen: self.internal_listen,
            redis_url: self.redis_url.clone(),
            database_url: self.database_url.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve clients in production; needs a configuration file
    Serve(ServeArgs),
    /// Serve on this machine for development: open to everybody on loopback, no file needed
    Dev(ServeArgs),
    /// Check the configuration that `serve` would use, and print it with secrets hidden
    Check,
    /// Look at Redis and this machine for what would go wrong, and say what to change
    Doctor(DoctorArgs),
    /// Bring the tables of the database up to date
    Migrate(MigrateArgs),
    /// Add, remove or list those who may join a topic with `join = "member"`
    Members(MembersArgs),
    /// Broadcast one event to all members of a topic
    Publish(PublishArgs),
    /// Print who is present in a topic: one line of JSON
    Presence(TopicArgs),
    /// Connect by WebSocket as a client does, join a topic once, and print the reply: one line of JSON
    Join(JoinArgs),
    /// Print a token for development, signed by the shared secret in `[auth]` or by a private key
    Token(TokenArgs),
    /// Print the broadcasts of a topic as JSON lines, as they come
    Tail(TopicArgs),
}

/// What `serve` and `dev` take.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// Write the bound addresses to this file once the gateway is ready: the line that is also printed first
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
}

/// What `doctor` takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DoctorArgs {
    /// Print each finding as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What `migrate` takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MigrateArgs {
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `members` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct MembersArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: MembersCommand,
    /// The way to a running gateway.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// What `members` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum MembersCommand {
    /// Make a user a member, or give a member another role
    Add {
        /// The topic, such as room:1
        topic: String,
        /// The `sub` of the user's tokens
        user: String,
        /// What the user is there; the gateway only keeps it
        #[arg(long, default_value = "member")]
        role: String,
    },
    /// Make sure that a user is no member; who is in the topic stays until the next join or token
    Remove {
        /// The topic, such as room:1
        topic: String,
        /// The `sub` of the user's tokens
        user: String,
    },
    /// Print the members as JSON lines
    List {
        /// The topic, such as room:1
        topic: String,
    },
}

/// What `publish` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct PublishArgs {
    /// The topic, such as room:1
    pub topic: String,
    /// The event, such as new_msg
    pub event: String,
    /// The payload: a JSON object, such as '{"body":"hello"}'
    #[arg(value_name = "JSON", value_parser = parse_json, allow_negative_numbers = true)]
    pub payload: Box<RawValue>,
    /// Send it only if nothing with this key was sent to the topic in the last 24 hours: 1 to 255 bytes
    #[arg(long, value_name = "KEY", value_parser = parse_idempotency_key)]
    pub idempotency_key: Option<IdempotencyKey>,
    /// The way to a running gateway.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// What `presence` and `tail` take.
#[derive(Debug, Clone, clap::Args)]
pub struct TopicArgs {
    /// The topic, such as room:1
    pub topic: String,
    /// The way to a running gateway.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// What `join` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct JoinArgs {
    /// The topic, such as room:1
    pub topic: String,
    /// Where clients connect, without TLS, and without the /websocket at the end
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:4000/socket", value_parser = parse_socket_url)]
    pub url: Url,
    /// The join payload: a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = parse_json)]
    pub payload: Box<RawValue>,
    /// The client's token; also env:NAME or file:PATH, which keep it out of the process list
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<Secret>,
    /// Make a token for this user and topic instead, signed by the shared secret in `[auth]`
    #[arg(long, value_name = "NAME", conflicts_with = "token")]
    pub sub: Option<String>,
}

/// What `token` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct TokenArgs {
    /// The user
    #[arg(long)]
    pub sub: String,
    /// How long it is good, such as 90s, 15m or 24h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub ttl: Duration,
    /// A topic or pattern that it grants, such as 'room:*'; may be repeated
    #[arg(long, value_name = "PATTERN", value_parser = parse_pattern)]
    pub channel: Vec<String>,
    /// A further claim, such as role=admin or 'roles=["a"]': JSON, else text; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_claim)]
    pub claim: Vec<(String, Value)>,
    /// Sign with this private key (PEM, PKCS #8) instead of the configured secret
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The name of that key
    #[arg(long, requires = "key")]
    pub kid: Option<String>,
}

/// How a command reaches a running gateway when no URL of Redis, or for members of the database, is given.
#[derive(Debug, Clone, clap::Args)]
pub struct ApiArgs {
    /// The internal listener of a running gateway; used when no Redis URL (`members`: no database URL) is given
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:4001", value_parser = parse_api_url)]
    pub api_url: Url,
    /// One of the keys in `api.keys`; also env:NAME or file:PATH, which keep it out of the process list
    #[arg(long, global = true, value_name = "KEY")]
    pub api_key: Option<Secret>,
}

fn parse_json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn parse_idempotency_key(text: &str) -> Result<IdempotencyKey, String> {
    IdempotencyKey::new(text).ok_or_else(|| "expected 1 to 255 bytes".to_owned())
}

fn parse_pattern(text: &str) -> Result<String, String> {
    text.parse::<TopicPattern>().map_err(|error| error.to_string()).map(|pattern| pattern.text())
}

fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn parse_api_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("expected http:// or https://".to_owned()),
    }
}

fn parse_socket_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() == "ws" { Ok(url) } else { Err("expected ws://".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in ["gateway --config a.toml serve --listen [::1]:0", "gateway serve --config a.toml --listen [::1]:0"]
        {
            let args = parse(line).unwrap();
            assert_eq!(args.global.config, Some(PathBuf::from("a.toml")));
            assert_eq!(args.global.flags().listen, Some("[::1]:0".parse().unwrap()));
        }
    }

    #[test]
    fn publish_takes_json() {
        let args = parse(r#"gateway publish room:1 new_msg {"a":[1]} --api-key k3y"#).unwrap();
        let Command::Publish(publish) = args.command else { panic!("another command") };
        assert_eq!((publish.topic.as_str(), publish.event.as_str()), ("room:1", "new_msg"));
        assert_eq!(publish.payload.get(), r#"{"a":[1]}"#);
        assert_eq!(publish.api.api_url.as_str(), "http://127.0.0.1:4001/");
        assert_eq!(publish.api.api_key.unwrap().expose(), "k3y");
    }

    #[test]
    fn what_is_refused() {
        for line in [
            "gateway",
            "gateway serv",
            "gateway serve --listen localhost",
            "gateway publish t e {",
            "gateway check --ready-file r",
            "gateway tail t --api-url ftp://h",
            "gateway presence",
            "gateway join t --url wss://h/socket",
            "gateway join t --token a --sub b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(parse("gateway --version").unwrap_err().kind(), ErrorKind::DisplayVersion);
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let args = parse("gateway tail t --redis-url redis://:hunter2@h --api-key hunter2").unwrap();
        assert!(!format!("{args:?}").contains("hunter2"));
    }
}
