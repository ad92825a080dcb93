//! What the configuration says about sockets, as mounts.

use std::sync::Arc;

use prometheus::Registry as MetricRegistry;

use super::StartError;
use crate::auth::{CheckOrigin, Origin, TokenMetrics, Verifier};
use crate::builtin::{Archive, RelaySocket, configured_routes};
use crate::config::{self, Config};
use crate::socket::Mount;
use crate::supabase::{Speakers, supabase_mount};
use crate::transport::RestMount;
use crate::webhooks::Webhooks;

/// What verifies tokens, where the configuration has `[auth]`.
pub(super) fn verifier(config: &Config, metrics: &MetricRegistry) -> Result<Option<Arc<Verifier>>, StartError> {
    let metrics = TokenMetrics::register(metrics)?;
    let Some(auth) = &config.auth else { return Ok(None) };
    Ok(Some(Arc::new(Verifier::with_metrics(auth, metrics)?)))
}

/// A socket of the configuration, with the channels of the configuration.
pub(super) fn configured_mount(
    socket: &config::Socket,
    config: &Config,
    verifier: Option<&Arc<Verifier>>,
    webhooks: &Webhooks,
    archive: Option<&Arc<Archive>>,
    dev: bool,
) -> Mount {
    let mount = match socket.dialect {
        config::Dialect::Supabase => supabase_mount(socket, &config.channels, verifier.cloned()),
        config::Dialect::Phoenix => {
            let mut relay = RelaySocket::new(socket.id.clone());
            if let (Some(verifier), Some(auth)) = (verifier, &config.auth) {
                relay = relay.tokens(Arc::clone(verifier), auth.required);
            }
            Mount::new(socket.path.as_str(), relay, configured_routes(&config.channels, webhooks, archive))
        }
    };
    let mount = mount
        .check_origin(check_origin(socket, dev))
        .idle_timeout(socket.idle_timeout)
        .max_frame_size(socket.max_frame_size)
        .max_channels(socket.max_channels)
        .compress(socket.compress);
    let mount = if socket.longpoll { mount.longpoll(socket.longpoll_window) } else { mount };
    if socket.subprotocols.is_empty() { mount } else { mount.subprotocols(&socket.subprotocols) }
}

/// Which web pages may connect to a socket of the configuration.
fn check_origin(socket: &config::Socket, dev: bool) -> CheckOrigin {
    match &socket.check_origin {
        config::CheckOrigin::Off => CheckOrigin::Off,
        // Development is open to all programs of this machine and to their pages, not to every page on the web.
        config::CheckOrigin::Host if dev && socket.host.is_none() => CheckOrigin::predicate(Origin::is_of_this_machine),
        config::CheckOrigin::Host => CheckOrigin::Host(socket.host.clone()),
        config::CheckOrigin::Conn => CheckOrigin::Conn,
        config::CheckOrigin::List(entries) => CheckOrigin::List(entries.clone()),
    }
}

/// The mounts of the configuration whose clients broadcast by plain requests, too.
pub(super) fn rest_mounts(config: &Config, verifier: Option<&Arc<Verifier>>, dev: bool) -> Vec<Arc<RestMount>> {
    let Some(verifier) = verifier else { return Vec::new() };
    let supabase = config.sockets().filter(|socket| socket.dialect == config::Dialect::Supabase);
    let mount = |socket: &config::Socket| RestMount {
        path: socket.path.as_str().to_owned(),
        check_origin: check_origin(socket, dev),
        max_payload: socket.max_frame_size,
        speakers: Speakers::new(&config.channels, Arc::clone(verifier)),
    };
    supabase.map(|socket| Arc::new(mount(socket))).collect()
}
