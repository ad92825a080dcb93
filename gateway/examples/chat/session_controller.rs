use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, post};
use gateway::Endpoint;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::store::Store;

/// Sign-in and sign-out.
pub(crate) fn routes(store: Store, endpoint: Endpoint) -> Router {
    Router::new().route("/session", post(sign_in).delete(sign_out)).with_state((store, endpoint))
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

/// Anybody may be anybody: a real chat asks for a password, or an identity provider.
async fn sign_in(State((store, _)): State<(Store, Endpoint)>, Json(SignIn { user }): Json<SignIn>) -> Response {
    let is_fine =
        (1..=40).contains(&user.len()) && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_fine {
        let errors = json!({ "errors": { "user": ["has letters, digits and _, at most 40"] } });
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(errors)).into_response();
    }
    match store.sign_in(&user).await {
        Ok(token) => Json(json!({ "token": token, "user_id": user })).into_response(),
        Err(error) => unavailable(&error),
    }
}

/// Signs a user out everywhere: the sessions end, and so do the connections on every pod.
async fn sign_out(State((store, endpoint)): State<(Store, Endpoint)>, headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let user = match store.user_of(token.unwrap_or_default()).await {
        Ok(Some(user)) => user,
        Ok(None) => return StatusCode::UNAUTHORIZED.into_response(),
        Err(error) => return unavailable(&error),
    };
    if let Err(error) = store.sign_out(&user).await {
        return unavailable(&error);
    }
    match endpoint.disconnect(&format!("user_socket:{user}")).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a session could not be changed");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
