//! Checks that need more than one section. They run before any port opens.

use std::net::SocketAddr;

use super::error::ConfigError;
use super::mode::Mode;
use super::origin::CheckOrigin;
use super::presence::Presence;
use super::settings::Config;
use super::socket::Dialect;

pub(super) fn validate(config: &Config, mode: Mode) -> Result<(), ConfigError> {
    different_ports(config.listen.public, config.listen.internal)?;
    different_paths(config)?;
    if config.listen.proxy_protocol && config.socket.trusted_proxies.is_empty() {
        return refuse("`listen.proxy_protocol` needs the addresses of the proxies in `socket.trusted_proxies`");
    }
    leases_outlast_heartbeats(&config.presence)?;
    if config.drain.delay >= config.drain.timeout && !config.drain.delay.is_zero() {
        return refuse("`drain.delay` must be shorter than `drain.timeout`, which it is part of");
    }
    if mode != Mode::Client {
        tokens_can_be_checked(config)?;
        dialects_can_be_spoken(config)?;
        database_is_known(config)?;
    }
    if mode == Mode::Serve {
        hosts_are_known(config)?;
        if config.channels.is_empty() {
            return refuse("no topics are served: add a [[channel]] with `topic` and `join`");
        }
    }
    Ok(())
}

fn refuse(message: impl Into<String>) -> Result<(), ConfigError> {
    Err(ConfigError::Conflict(message.into()))
}

/// Clients must not reach the internal API, so both listeners never share a port.
fn different_ports(public: SocketAddr, internal: SocketAddr) -> Result<(), ConfigError> {
    let same_host = public.ip() == internal.ip() || public.ip().is_unspecified() || internal.ip().is_unspecified();
    if public.port() != 0 && public.port() == internal.port() && same_host {
        return refuse(format!("`listen.public` and `listen.internal` both use port {}", public.port()));
    }
    Ok(())
}

fn different_paths(config: &Config) -> Result<(), ConfigError> {
    let sockets: Vec<_> = config.sockets().collect();
    for (index, socket) in sockets.iter().enumerate() {
        if sockets[..index].iter().any(|earlier| earlier.path.same_as(&socket.path)) {
            return refuse(format!("two sockets are mounted at {}: give each [[mount]] its own `path`", socket.path));
        }
    }
    Ok(())
}

/// A pod that misses one heartbeat must not be taken for dead, and a change must not wait longer than a heartbeat.
fn leases_outlast_heartbeats(presence: &Presence) -> Result<(), ConfigError> {
    if presence.lease < 2 * presence.heartbeat {
        return refuse("`presence.lease` must be at least twice `presence.heartbeat`");
    }
    if presence.coalesce >= presence.heartbeat {
        return refuse("`presence.coalesce` must be shorter than `presence.heartbeat`");
    }
    Ok(())
}

/// Nobody could ever join.
fn tokens_can_be_checked(config: &Config) -> Result<(), ConfigError> {
    let needing = config.channels.iter().find(|channel| channel.join.needs_token());
    match needing {
        Some(channel) if config.auth.is_none() => refuse(format!(
            "the topics {:?} are for clients with a token, but there is no [auth] to check tokens with: add it, or let \
             everybody join with `join = \"open\"`",
            channel.topic.text()
        )),
        _ => Ok(()),
    }
}

/// Clients of Supabase come with an API key, and none of them polls.
fn dialects_can_be_spoken(config: &Config) -> Result<(), ConfigError> {
    let Some(socket) = config.sockets().find(|socket| socket.dialect == Dialect::Supabase) else { return Ok(()) };
    if config.auth.is_none() {
        return refuse(format!(
            "the socket at {} has `dialect = \"supabase\"`, whose clients connect with an API key, but there is no [auth] to \
             check keys with: add it",
            socket.path
        ));
    }
    if config.sockets().any(|socket| socket.dialect == Dialect::Supabase && socket.longpoll) {
        return refuse("`dialect = \"supabase\"` has no long polling: take `longpoll` away from that socket");
    }
    Ok(())
}

/// What asks for a database would never get an answer.
fn database_is_known(config: &Config) -> Result<(), ConfigError> {
    let needing = config.channels.iter().find(|channel| channel.needs_database());
    match needing {
        Some(channel) if config.database.url.is_none() => refuse(format!(
            "the topics {:?} have an `archive` or `join = \"member\"`, but there is no database: set `database.url`, such as \
             \"sqlite:///var/lib/gateway/gateway.db\" or \"postgres://user@host/db\"",
            channel.topic.text()
        )),
        _ => Ok(()),
    }
}

/// Without a host, `check_origin = true` has nothing to compare with and would let every page in.
fn hosts_are_known(config: &Config) -> Result<(), ConfigError> {
    for socket in config.sockets() {
        if socket.check_origin == CheckOrigin::Host && socket.host.is_none() {
            return refuse(format!(
                "the socket at {} has `check_origin = true` but no `host`: set `socket.host` to the name in your pages' \
                 addresses, or list the allowed origins in `socket.check_origin`",
                socket.path
            ));
        }
    }
    Ok(())
}
