use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::super::arrival::Arrival;
use super::super::handshake::{Rejection, check_origin};
use super::super::routes::Acceptor;
use super::answer::{self, Answer};
use super::body;
use super::desk::Desk;
use super::open::{Opening, open};
use super::query::Query;
use super::secret::Keys;
use super::service::LongPolls;
use super::token::Ticket;
use crate::clock::unix_seconds;
use crate::socket::{ConnectResult, Mount};

/// What the long polls of a mount need.
#[derive(Clone)]
pub(in crate::transport) struct LongPollMount {
    pub(in crate::transport) acceptor: Acceptor,
    pub(in crate::transport) mount: Arc<Mount>,
    pub(in crate::transport) window: Duration,
    pub(in crate::transport) longpolls: Arc<LongPolls>,
}

/// Answers any request of a mount's long-poll path.
pub(in crate::transport) async fn handle(
    State(state): State<LongPollMount>,
    variables: RawPathParams,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(arrival) = parts.extensions.remove::<Arc<Arrival>>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let metrics = &state.acceptor.services.socket_metrics;
    let response = if check_origin(&parts.headers, &arrival, &state.mount).is_err() {
        metrics.connect(ConnectResult::OriginRefused);
        answer::status(403)
    } else {
        match parts.method {
            Method::GET => {
                let variables: Vec<_> =
                    variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                state.get(&parts, &arrival, &variables).await
            }
            Method::POST => state.post(&parts, &arrival, body).await,
            Method::OPTIONS => answer::preflight(&parts.headers),
            _ => answer::bad_request(),
        }
    };
    metrics.bytes_sent.inc_by(response.body().size_hint().exact().unwrap_or_default());
    response
}

impl LongPollMount {
    /// A poll; or, without a session, the request for one.
    async fn get(&self, parts: &Parts, arrival: &Arrival, variables: &[(String, String)]) -> Response {
        let Some(keys) = self.longpolls.keys().await else { return answer::not_ready() };
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let ticket = self.ticket(parts, &query, &keys);
        if let Some(ticket) = &ticket {
            arrival.polls_until(Instant::now() + self.window);
            let desk = self.desk(ticket);
            let answer = self.poll(ticket).await;
            if answer != Answer::Gone {
                arrival.polls_until(Instant::now());
                return answer::to_poll(&answer, &ticket.token(&keys, &self.mount.path));
            }
            if desk.is_some_and(|desk| desk.is_sent_away()) {
                // There are too many here: the client begins anew by a request that the balancer sends elsewhere.
                arrival.polls_until(Instant::now());
                return answer::status(answer.status());
            }
        }
        let opening = Opening { parts, arrival, params: &query.params, variables };
        match open(&opening, &self.acceptor, &self.mount, self.window, &self.longpolls).await {
            Ok(ticket) => {
                arrival.polls_until(Instant::now());
                answer::to_poll(&Answer::Gone, &ticket.token(&keys, &self.mount.path))
            }
            // Its session is gone with this pod: the client begins anew, at another one.
            Err(Rejection::Draining) if ticket.is_some() => answer::status(Answer::Gone.status()),
            Err(rejection) => answer::refused(&rejection),
        }
    }

    /// Frames for a session. The body is not read before the token is known to be good, its session or at least the pod
    /// that has it is found, and the session has a place for it.
    async fn post(&self, parts: &Parts, arrival: &Arrival, body: Body) -> Response {
        let Some(keys) = self.longpolls.keys().await else { return answer::not_ready() };
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let Some(ticket) = self.ticket(parts, &query, &keys) else { return answer::status(Answer::Gone.status()) };
        let Some(_place) = self.longpolls.places().take(&ticket.session) else {
            return answer::status(Answer::Late.status());
        };
        arrival.polls_until(Instant::now() + self.window);
        let desk = self.desk(&ticket);
        let found = match &desk {
            Some(desk) if desk.has_ended() => Err(Answer::Gone),
            Some(_) => Ok(()),
            None if self.longpolls.is_here(&ticket) => Err(Answer::Gone),
            None => self.longpolls.forwarder().find(&ticket).await,
        };
        if let Err(answer) = found {
            return answer::status(answer.status());
        }
        let lines = body::has_lines(&parts.headers);
        let max_frame = self.mount.max_frame_size;
        let read = async {
            let body = body::read(body, max_frame, self.window).await?;
            Ok((body::frames(&body, lines, max_frame)?, body))
        };
        let (frames, body) = match read.await {
            Ok(read) => read,
            Err::<_, body::BadBody>(error) => {
                tracing::debug!(%error, "a body was refused");
                return answer::bad_request();
            }
        };
        self.acceptor.services.socket_metrics.bytes_received.inc_by(body.len() as u64);
        let answer = match desk {
            Some(desk) => desk.push(frames).await,
            None => self.longpolls.forwarder().push(&ticket, lines, body, self.window).await,
        };
        answer::status(answer.status())
    }

    async fn poll(&self, ticket: &Ticket) -> Answer {
        match self.desk(ticket) {
            Some(desk) => desk.poll().await,
            None if self.longpolls.is_here(ticket) => Answer::Gone,
            None => self.longpolls.forwarder().poll(ticket, self.window).await,
        }
    }

    /// The desk of a session, if that is here.
    fn desk(&self, ticket: &Ticket) -> Option<Arc<Desk>> {
        self.longpolls.is_here(ticket).then(|| self.longpolls.sessions().find(&ticket.session)).flatten()
    }

    /// The session of a request: the header wins over the query (row 210).
    fn ticket(&self, parts: &Parts, query: &Query, keys: &Keys) -> Option<Ticket> {
        let header = parts.headers.get("x-phoenix-longpoll-token");
        let token = match header {
            Some(header) => header.to_str().ok()?,
            None => query.session.as_deref()?,
        };
        Ticket::read(token, keys, &self.mount.path, unix_seconds())
    }
}
