use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::request::Parts;

use super::super::admission::Permit;
use super::super::arrival::Arrival;
use super::super::handshake::{Rejection, connect, negotiate, read_params};
use super::super::routes::Acceptor;
use super::desk::Desk;
use super::service::LongPolls;
use super::session::Session;
use super::token::{SessionId, Ticket};
use crate::channel::{Client, Transport};
use crate::clock::unix_seconds;
use crate::socket::{Accepted, ConnectInfo, ConnectResult, Entry, Mount};
use crate::wire::Encoding;

/// For so many windows a session lives without a poll. Phoenix: one and a half to three.
const WINDOWS: u32 = 2;

/// How long a session that was sent away is remembered, for the poll that comes behind its last words.
const FAREWELL: Duration = Duration::from_secs(5);

/// A request that may open a session: its connect params and path variables apart.
pub(super) struct Opening<'a> {
    pub(super) parts: &'a Parts,
    pub(super) arrival: &'a Arrival,
    pub(super) params: &'a str,
    pub(super) variables: &'a [(String, String)],
}

/// Checks a request as that for a WebSocket is checked, and opens a session. Where it is.
pub(super) async fn open(
    opening: &Opening<'_>,
    acceptor: &Acceptor,
    mount: &Arc<Mount>,
    window: Duration,
    longpolls: &LongPolls,
) -> Result<Ticket, Rejection> {
    let checked = if acceptor.tasks.is_stopping() {
        Err(Rejection::Draining)
    } else {
        AssertUnwindSafe(check(opening, mount)).catch_unwind().await.unwrap_or(Err(Rejection::Crashed))
    };
    let metrics = &acceptor.services.socket_metrics;
    match checked {
        Ok((encoding, accepted, permit)) => {
            metrics.connect(ConnectResult::Accepted);
            Ok(begin(encoding, accepted, permit, acceptor, mount, window, longpolls))
        }
        Err(rejection) => {
            tracing::debug!(reason = %rejection, "refused to open a session");
            metrics.connect(rejection.result());
            Err(rejection)
        }
    }
}

async fn check(opening: &Opening<'_>, mount: &Mount) -> Result<(Encoding, Accepted, Option<Arc<Permit>>), Rejection> {
    let Opening { parts, arrival, params, variables } = opening;
    let (client_ip, permit) = arrival.admit_session(&parts.headers)?;
    let params = read_params(params, variables);
    let encoding = negotiate(&params, mount)?;
    // Plain, where a WebSocket has it among its subprotocols (protocol 1.5).
    let token = parts.headers.get("x-phoenix-authtoken").map(|token| token.to_str().unwrap_or_default());
    let info = ConnectInfo::new(parts, arrival.peer, client_ip, token);
    Ok((encoding, connect(mount, &params, &info).await?, permit))
}

fn begin(
    encoding: Encoding,
    accepted: Accepted,
    permit: Option<Arc<Permit>>,
    acceptor: &Acceptor,
    mount: &Arc<Mount>,
    window: Duration,
    longpolls: &LongPolls,
) -> Ticket {
    let services = Arc::clone(&acceptor.services);
    let (endpoint, outbox) = (services.endpoint.clone(), services.outbox(mount.max_frame_size));
    let Accepted { id, assigns, expires_at } = accepted;
    let client = Arc::new(Client::new(id, assigns, encoding, Transport::LongPoll, endpoint, outbox, expires_at));
    let entry = Entry::new(Arc::clone(&client), window * WINDOWS, services.clock.now_ms());
    let ticket =
        Ticket { node: longpolls.forwarder().node().clone(), session: SessionId::random(), issued: unix_seconds() };
    let desk = Desk::new(Arc::clone(&client), entry.clone(), services.clock, window, mount.max_frame_size);
    let listed = longpolls.sessions().add(ticket.session.clone(), Arc::clone(&desk));
    let registration = services.registry.register(entry);
    let requests = acceptor.tasks.clone();
    let session = Session::new(client, registration, Arc::clone(&desk), Arc::clone(mount), services, permit);
    acceptor.connections.spawn(async move {
        session.run().await;
        if desk.is_sent_away() {
            // Its client, who has just heard the last of it, is not to begin anew here by the same request.
            requests.spawn_until_stop(async move {
                tokio::time::sleep(FAREWELL).await;
                drop(listed);
            });
        }
    });
    ticket
}
