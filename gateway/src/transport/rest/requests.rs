use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::super::arrival::Arrival;
use super::super::routes::{Acceptor, axum_path};
use super::answer::{BLANK, Refused, answer, preflight};
use super::body::{Kind, PATIENCE, read};
use super::mount::RestMount;
use super::paths::bases;
use super::publish::publish;
use super::{batch, single};
use crate::supabase::Speaker;

/// How many of the largest payloads a batch may hold.
const MAX_PAYLOADS: usize = 4;

/// What the routes of one mount need.
#[derive(Clone)]
struct Door {
    mount: Arc<RestMount>,
    acceptor: Acceptor,
}

/// The routes of all mounts that have them.
pub(crate) fn rest_routes(mounts: &[Arc<RestMount>], acceptor: &Acceptor) -> Router {
    let paths: Vec<&str> = mounts.iter().map(|mount| mount.path.as_str()).collect();
    bases(&paths).into_iter().fold(Router::new(), |routes, (at, base)| {
        let door = Door { mount: Arc::clone(&mounts[at]), acceptor: acceptor.clone() };
        let below = axum_path(&format!("{base}/api/broadcast"));
        // Whatever the mount's own variables are called, these have other names.
        let one = format!("{below}/{{topic.}}/events/{{event.}}");
        let both = Router::new()
            .route(&below, post(send_batch).options(ask))
            .route(&one, post(send_single).options(ask))
            .with_state(door);
        routes.merge(both)
    })
}

async fn ask(request: Request) -> Response {
    preflight(request.headers())
}

async fn send_batch(State(door): State<Door>, request: Request) -> Response {
    let outcome = door.handle(request, async |door: &Door, request, speaker| {
        let limit = door.mount.max_payload.saturating_mul(MAX_PAYLOADS);
        let body = door.read(request, limit).await?;
        let messages = batch::messages(&body, door.mount.max_payload)?;
        // As Supabase has it, the others are sent.
        let allowed = messages.into_iter().filter_map(|message| match message.allowed(&speaker) {
            Err(Refused::Forbidden) => None,
            allowed => Some(allowed),
        });
        publish(allowed.collect::<Result<Vec<_>, _>>()?, door.acceptor.services.endpoint.pubsub()).await
    });
    outcome.await
}

async fn send_single(State(door): State<Door>, variables: RawPathParams, request: Request) -> Response {
    let outcome = door.handle(request, async |door: &Door, request: Request, speaker| {
        let kind = Kind::of(request.headers())?;
        let query = request.uri().query().map(str::to_owned);
        // Behind the mount's own.
        let variables: Vec<_> = variables.iter().map(|(_, value)| value).collect();
        let [.., topic, event] = variables[..] else { return Err(Refused::invalid("topic", BLANK)) };
        let body = door.read(request, door.mount.max_payload).await?;
        let message = single::message(topic, event, query.as_deref(), kind, &body)?;
        let message = message.allowed(&speaker)?;
        publish([message], door.acceptor.services.endpoint.pubsub()).await
    });
    outcome.await
}

impl Door {
    /// Lets a request in, has it served, and answers.
    async fn handle(
        &self,
        mut request: Request,
        serve: impl AsyncFnOnce(&Self, Request, Speaker<'_>) -> Result<(), Refused>,
    ) -> Response {
        let Some(arrival) = request.extensions_mut().remove::<Arc<Arrival>>() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        // It is not a connection that dribbles, however many requests come by it.
        arrival.polls_until(Instant::now() + PATIENCE);
        let (parts, body) = request.into_parts();
        let outcome = match self.admit(&parts, &arrival).await {
            Ok(speaker) => serve(self, Request::from_parts(parts, body), speaker).await,
            Err(refused) => Err(refused),
        };
        arrival.polls_until(Instant::now());
        if let Err(refused) = &outcome {
            tracing::debug!(?refused, "a broadcast by request was refused");
        }
        answer(&outcome)
    }

    /// All that can be known before the body. A request counts as one to connect.
    async fn admit(&self, parts: &Parts, arrival: &Arrival) -> Result<Speaker<'_>, Refused> {
        let (_client, _permit) = arrival.admit(&parts.headers).map_err(|over| Refused::TooOften(over.retry_after()))?;
        if let Some(origin) = parts.headers.get(ORIGIN) {
            let asked = arrival.request_origin(&parts.headers);
            if !self.mount.check_origin.allows(Some(origin.to_str().unwrap_or_default()), &asked) {
                return Err(Refused::Origin);
            }
        }
        self.mount.speakers.identify(token(&parts.headers)).await.map_err(|_| Refused::Unauthorized)
    }

    async fn read(&self, request: Request, limit: usize) -> Result<bytes::Bytes, Refused> {
        let body = read(request.into_body(), limit).await?;
        self.acceptor.services.socket_metrics.bytes_received.inc_by(body.len() as u64);
        Ok(body)
    }
}

/// The token of `Authorization: Bearer`, else that of `apikey`: the first that is there counts, even if the other is better.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().unwrap_or_default().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| headers.get("apikey")?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_304_a_bearer_token_counts_before_the_api_key() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            token(&HeaderMap::from_iter(headers)).map(str::to_owned)
        };
        assert_eq!(of(&[("authorization", "bearer  a "), ("apikey", "b")]).as_deref(), Some("a"));
        assert_eq!(of(&[("authorization", "Basic a"), ("apikey", "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[("apikey", "b")]).as_deref(), Some("b"));
        assert_eq!(of(&[("authorization", "Bearer")]), None);
        assert_eq!(of(&[]), None);
    }
}
