use std::collections::BTreeMap;

use gateway::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::dashboard_channel::DASHBOARD;
use crate::database::{can_hold, now};

/// A trillion rupiah: sums stay exact in a database and in JavaScript.
pub(crate) const MOST: i64 = 1_000_000_000_000;

/// What somebody gives, as it comes from a client: nothing of it is believed yet.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NewDonation {
    amount: Value,
    donor: Value,
}

/// What is wrong with an input, by field.
pub(crate) type Errors = BTreeMap<&'static str, &'static str>;

/// A donation as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Donation {
    /// In rupiah.
    pub(crate) amount: i64,
    pub(crate) donor: String,
    /// When it was made, by the server.
    pub(crate) timestamp: String,
    /// Where it comes from, when that is no client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

/// A donation as the dashboard lists it.
#[derive(Debug, Serialize)]
pub(crate) struct Given {
    pub(crate) campaign_id: String,
    #[serde(flatten)]
    pub(crate) donation: Donation,
}

impl NewDonation {
    /// Checks it, and gives it the server's time.
    pub(crate) fn validate(self, source: Option<&str>) -> Result<Donation, Errors> {
        let amount = self.amount.as_i64().filter(|amount| (1..=MOST).contains(amount));
        let donor = self.donor.as_str().map(str::trim);
        let donor = donor.filter(|donor| (1..=80).contains(&donor.chars().count()) && can_hold(donor));
        match (amount, donor) {
            (Some(amount), Some(donor)) => {
                Ok(Donation { amount, donor: donor.to_owned(), timestamp: now(), source: source.map(Into::into) })
            }
            (amount, donor) => {
                let wrong_amount = ("amount", "must be a positive whole number of rupiah, at most a trillion");
                let wrong_donor = ("donor", "must be a name of 1 to 80 characters");
                let wrong = [(amount.is_none(), wrong_amount), (donor.is_none(), wrong_donor)];
                Err(wrong.into_iter().filter_map(|(is_wrong, error)| is_wrong.then_some(error)).collect())
            }
        }
    }
}

/// Tells a donation that is stored to the donors of its campaign and to the dashboard. It stands whether or not they
/// hear of it: the next refresh tells them.
pub(crate) async fn announce(endpoint: &Endpoint, given: &Given) {
    let received =
        endpoint.broadcast(&format!("campaign:{}", given.campaign_id), "donation_received", json!(given.donation));
    let listed = endpoint.broadcast(DASHBOARD, "new_donation", json!(given));
    for told in [received.await, listed.await] {
        if let Err(error) = told {
            tracing::warn!(%error, "a donation is stored, but perhaps not announced");
        }
    }
}

/// The server's time as presences have it, after `inspect(System.system_time(:second))`.
pub(crate) fn unix_seconds() -> String {
    OffsetDateTime::now_utc().unix_timestamp().to_string()
}
