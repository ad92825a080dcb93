//! The renewal of a connection by a new token, over the connection itself (design 11.5).

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::auth::{Identity, TokenRefused};
use crate::channel::{Client, Outcome, Reply};
use crate::wire::{Payload, Reason};

/// The event that brings it, on any topic. It is never relayed: it would tell everybody the token.
pub(super) const ACCESS_TOKEN: &str = "access_token";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
}

/// Takes a new token. What the client may do is looked at again in all its channels, after the answer.
pub(super) async fn renew(payload: &Payload, client: &Client) -> Outcome {
    let refuse = |reason: Reason| Outcome::Reply(Reply::error(reason.payload()));
    let Payload::Json(json) = payload else { return refuse(Reason::InvalidPayload) };
    let Ok(request) = serde_json::from_slice::<Request<'_>>(json) else { return refuse(Reason::InvalidPayload) };
    let renewed = match client.assign::<Identity>() {
        Some(identity) => identity.renew(&request.access_token).await,
        // Who has connected as nobody stays that.
        None => Err(TokenRefused::AnotherSubject),
    };
    match renewed.map(|until| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(until))) {
        Ok(Some(until)) => {
            client.renew_until(until);
            Outcome::ok()
        }
        Ok(None) => refuse(Reason::Unauthorized),
        Err(reason) => {
            tracing::debug!(%reason, "a renewal was refused");
            refuse(Reason::Unauthorized)
        }
    }
}
