use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{Router, post};
use gateway::Endpoint;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::campaigns::{Campaigns, StoreError};
use crate::database::can_hold;
use crate::donation::{Errors, Given, NewDonation, announce};
use crate::id::Id;

/// Where the bank tells of transfers.
pub(crate) fn routes(campaigns: Campaigns, endpoint: Endpoint) -> Router {
    Router::new().route("/bank/transfers", post(transfer)).with_state((campaigns, endpoint))
}

#[derive(Deserialize)]
pub(crate) struct Transfer {
    campaign_id: Id,
    /// The bank's own number of the transfer: it may tell of one twice.
    reference: String,
    #[serde(flatten)]
    donation: NewDonation,
}

/// A donation that reaches the donors from outside a channel. A real bank would sign what it posts.
pub(crate) async fn transfer(
    State((campaigns, endpoint)): State<(Campaigns, Endpoint)>,
    Json(Transfer { campaign_id, reference, donation }): Json<Transfer>,
) -> Response {
    let donation = match donation.validate(Some("bank_transfer")) {
        Ok(donation) => donation,
        Err(errors) => return unprocessable(&errors),
    };
    if !(1..=100).contains(&reference.chars().count()) || !can_hold(&reference) {
        return unprocessable(&Errors::from([("reference", "must be a text of 1 to 100 characters")]));
    }
    let given = Given { campaign_id: campaign_id.0, donation };
    match campaigns.give(&given, Some(&reference)).await {
        Ok(()) => {
            announce(&endpoint, &given).await;
            (StatusCode::ACCEPTED, Json(json!(given))).into_response()
        }
        Err(StoreError::Duplicate) => (StatusCode::OK, Json(json!({ "duplicate": true }))).into_response(),
        Err(StoreError::NoSuchCampaign) => StatusCode::NOT_FOUND.into_response(),
        Err(StoreError::Database(error)) => {
            tracing::error!(%error, "a transfer cannot be stored");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn unprocessable(errors: &Errors) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "errors": errors }))).into_response()
}
