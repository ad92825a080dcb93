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
use super::open::{Opening, open};
use super::query::Query;
use super::secret::Keys;
use super::service::LongPolls;
use super::token::Ticket;
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
            let answer = self.poll(ticket).await;
            if answer != Answer::Gone {
                arrival.polls_until(Instant::now());
                return answer::to_poll(&answer, &ticket.token(&keys, &self.mount.path));
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

    /// Frames for a session. The body is not read before the token is known to be good.
    async fn post(&self, parts: &Parts, arrival: &Arrival, body: Body) -> Response {
        let Some(keys) = self.longpolls.keys().await else { return answer::not_ready() };
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let Some(ticket) = self.ticket(parts, &query, &keys) else { return answer::status(Answer::Gone.status()) };
        arrival.polls_until(Instant::now() + self.window);
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
        let answer = if !self.longpolls.is_here(&ticket) {
            self.longpolls.forwarder().push(&ticket, lines, body, self.window).await
        } else if let Some(desk) = self.longpolls.sessions().find(&ticket.session) {
            desk.push(frames).await
        } else {
            Answer::Gone
        };
        answer::status(answer.status())
    }

    async fn poll(&self, ticket: &Ticket) -> Answer {
        if !self.longpolls.is_here(ticket) {
            return self.longpolls.forwarder().poll(ticket, self.window).await;
        }
        match self.longpolls.sessions().find(&ticket.session) {
            Some(desk) => desk.poll().await,
            None => Answer::Gone,
        }
    }

    /// The session of a request: the header wins over the query (row 210).
    fn ticket(&self, parts: &Parts, query: &Query, keys: &Keys) -> Option<Ticket> {
        let header = parts.headers.get("x-phoenix-longpoll-token");
        let token = match header {
            Some(header) => header.to_str().ok()?,
            None => query.session.as_deref()?,
        };
        Ticket::read(token, keys, &self.mount.path)
    }
}
