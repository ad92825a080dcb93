use axum::Json;
use axum::extract::State;
use gateway::testing::{ChannelTest, TestChannel};
use http::StatusCode;
use serde_json::{Value, json};

use crate::bank::{Transfer, transfer};
use crate::campaigns::{Campaign, Campaigns, SCHEMA};
use crate::database;
use crate::settings::Admins;

async fn donations() -> (ChannelTest, Campaigns) {
    let campaigns = Campaigns::new(database::open(None, SCHEMA).await.unwrap());
    let admins = Admins::new("siti:secret-of-siti,budi:secret-of-budi").unwrap();
    (ChannelTest::new(crate::socket(&campaigns, &admins).unwrap()), campaigns)
}

/// Joins on a socket of its own; what the client is told when it may not.
async fn join(app: &ChannelTest, topic: &str, params: Value) -> Result<TestChannel, Value> {
    let socket = app.connect(json!({})).await.unwrap();
    let (reply, channel) = socket.subscribe_and_join(topic, params).await?;
    assert_eq!(reply, json!({}));
    Ok(channel)
}

async fn donor(app: &ChannelTest, name: &str) -> TestChannel {
    join(app, "campaign:1", json!({ "user_id": name })).await.unwrap()
}

async fn admin(app: &ChannelTest) -> TestChannel {
    join(app, "dashboard:live", json!({ "token": "secret-of-siti" })).await.unwrap()
}

/// Whether it is a time of today's century, as RFC 3339 has it in UTC.
fn is_time(value: &Value) -> bool {
    let time = value.as_str().unwrap_or_default();
    time.starts_with("20") && time.as_bytes().get(10) == Some(&b'T') && time.ends_with('Z')
}

async fn first_campaign(campaigns: &Campaigns) -> Campaign {
    campaigns.get("1").await.unwrap().unwrap()
}

#[tokio::test]
async fn who_joins_a_campaign_gets_its_data_and_is_present() {
    let (app, _campaigns) = donations().await;
    let ann = donor(&app, "ann").await;
    ann.assert_push("campaign_data", json!({ "id": "1", "goal": 50_000_000, "raised": 0, "donors": 0 })).await;
    ann.assert_push("presence_state", json!({})).await;
    let joined = ann.assert_push("presence_diff", json!({ "joins": { "ann": {} } })).await;
    let online_at = &joined["joins"]["ann"]["metas"][0]["online_at"];
    assert!(online_at.as_str().is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{online_at}");

    let seven = join(&app, "campaign:1", json!({ "user_id": 7 })).await.unwrap();
    seven.assert_push("presence_state", json!({ "ann": {} })).await;
    ann.assert_push("presence_diff", json!({ "joins": { "7": {} } })).await;

    for params in [json!({}), json!({ "user_id": "" }), json!({ "user_id": null }), json!({ "user_id": ["ann"] })] {
        let nameless = join(&app, "campaign:1", params).await.err();
        assert_eq!(nameless, Some(json!({ "reason": "user_id is required" })));
    }
    for topic in ["campaign:none", "campaign:campaign:1", "campaign:1\0"] {
        let unknown = join(&app, topic, json!({ "user_id": "ann" })).await.err();
        assert_eq!(unknown, Some(json!({ "reason": "no such campaign" })), "{topic}");
    }
}

#[tokio::test]
async fn a_donation_is_stored_and_told_to_donors_and_admins_with_the_servers_time() {
    let (app, campaigns) = donations().await;
    let (ann, bob, siti) = (donor(&app, "ann").await, donor(&app, "bob").await, admin(&app).await);
    let donation = json!({ "amount": 50_000, "donor": "Ann", "timestamp": "1999-12-31T00:00:00Z" });
    ann.push("new_donation", donation).assert_reply("ok", json!({})).await;
    for donor in [&ann, &bob] {
        let received = donor.assert_push("donation_received", json!({ "amount": 50_000, "donor": "Ann" })).await;
        assert_eq!(received.as_object().map(serde_json::Map::len), Some(3), "{received}");
        assert!(is_time(&received["timestamp"]) && received["timestamp"] != "1999-12-31T00:00:00Z", "{received}");
    }
    siti.assert_push("new_donation", json!({ "campaign_id": "1", "amount": 50_000, "donor": "Ann" })).await;
    let campaign = first_campaign(&campaigns).await;
    assert_eq!((campaign.raised, campaign.donors), (50_000, 1));
}

#[tokio::test]
async fn what_is_no_donation_is_refused_with_reasons_and_changes_nothing() {
    let (app, campaigns) = donations().await;
    let ann = donor(&app, "ann").await;
    for amount in [json!(0), json!(-5), json!(1.5), json!("100"), json!(null), json!(1_000_000_000_001_i64)] {
        let donation = json!({ "amount": amount, "donor": "Ann" });
        let reply = ann.push("new_donation", donation).assert_reply("error", json!({ "errors": {} })).await;
        assert!(reply["errors"]["amount"].is_string() && reply["errors"]["donor"].is_null(), "{amount}: {reply}");
    }
    for payload in [json!({}), json!({ "amount": true, "donor": "   " }), json!({ "donor": "x".repeat(81) })] {
        let reply = ann.push("new_donation", payload.clone()).assert_reply("error", json!({ "errors": {} })).await;
        assert!(reply["errors"]["amount"].is_string() && reply["errors"]["donor"].is_string(), "{payload}: {reply}");
    }
    let nameless = json!({ "errors": { "donor": "must be a name of 1 to 80 characters" } });
    ann.push("new_donation", json!({ "amount": 1, "donor": "x\0y" })).assert_reply("error", nameless).await;
    ann.refute_broadcast("donation_received", json!({})).await;
    assert_eq!(first_campaign(&campaigns).await.raised, 0);
    assert!(campaigns.recent(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_total_can_be_corrected() {
    let (app, campaigns) = donations().await;
    let (ann, siti) = (donor(&app, "ann").await, admin(&app).await);
    siti.assert_push("dashboard_state", json!({ "total_raised": 0 })).await;
    ann.push("update_campaign", json!({ "raised": 1_000 })).assert_reply("ok", json!({})).await;
    siti.assert_push("dashboard_state", json!({ "total_raised": 1_000 })).await;
    let figures = json!({ "id": "1", "goal": 50_000_000, "raised": 1_000, "donors": 0 });
    ann.push("request_campaign_update", json!({})).assert_reply("ok", figures).await;
    let updated = ann.assert_push("campaign_updated", json!({ "campaign_id": "1", "raised": 1_000 })).await;
    assert!(is_time(&updated["timestamp"]), "{updated}");
    assert_eq!(first_campaign(&campaigns).await.raised, 1_000);
    for raised in [json!(-1), json!("1"), json!(null)] {
        let errors = json!({ "errors": { "raised": "must be a whole number of rupiah, at most a trillion" } });
        ann.push("update_campaign", json!({ "raised": raised })).assert_reply("error", errors).await;
    }
}

#[tokio::test]
async fn the_bank_tells_of_a_transfer_from_outside_and_once() {
    let (app, campaigns) = donations().await;
    let (ann, siti) = (donor(&app, "ann").await, admin(&app).await);
    let tell = async |campaign: Value, amount: i64, reference: &str| {
        let posted = json!({ "campaign_id": campaign, "amount": amount, "donor": "Budi", "reference": reference });
        let posted: Transfer = serde_json::from_value(posted).unwrap();
        transfer(State((campaigns.clone(), app.endpoint().clone())), Json(posted)).await.status()
    };
    for (amount, reference) in [(0, "T-1"), (7_000, ""), (7_000, "T\0"), (7_000, &"T".repeat(101))] {
        let status = tell(json!("1"), amount, reference).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{amount}, {reference:?}");
    }
    for unknown in ["none", "1\0"] {
        assert_eq!(tell(json!(unknown), 7_000, "T-1").await, StatusCode::NOT_FOUND, "{unknown:?}");
    }
    assert_eq!(tell(json!("1"), 7_000, "T-1").await, StatusCode::ACCEPTED);
    let told = json!({ "amount": 7_000, "donor": "Budi", "source": "bank_transfer" });
    ann.assert_push("donation_received", told.clone()).await;
    siti.assert_push("new_donation", told).await;
    assert_eq!(tell(json!(1), 7_000, "T-1").await, StatusCode::OK, "told again, with the id as a number");
    ann.refute_push("donation_received", json!({})).await;
    assert_eq!(first_campaign(&campaigns).await.raised, 7_000);
}

#[tokio::test]
async fn the_dashboard_is_for_admins() {
    let (app, _campaigns) = donations().await;
    let ann = donor(&app, "ann").await;
    ann.push("new_donation", json!({ "amount": 5_000, "donor": "Ann" })).assert_reply("ok", json!({})).await;
    for params in [json!({}), json!({ "token": "" }), json!({ "token": "guessed" }), json!({ "token": 1 })] {
        let refused = join(&app, "dashboard:live", params).await.err();
        assert_eq!(refused, Some(json!({ "reason": "unauthorized" })));
    }
    let siti = admin(&app).await;
    let state = siti.assert_push("dashboard_state", json!({ "total_raised": 5_000 })).await;
    assert_eq!(state["active_campaigns"].as_array().map(Vec::len), Some(3));
    assert_eq!(state["recent_donations"][0]["donor"], "Ann");
    let present =
        siti.assert_push("presence_diff", json!({ "joins": { "siti": { "metas": [{ "role": "admin" }] } } })).await;
    assert!(present["joins"]["siti"]["metas"][0]["joined_at"].is_string(), "{present}");
}

#[tokio::test]
async fn figures_go_to_the_admin_who_asks() {
    let (app, _campaigns) = donations().await;
    let (siti, other) = (admin(&app).await, admin(&app).await);
    let figures = json!({ "id": "3", "goal": 5_000_000, "raised": 0, "donors": 0 });
    for id in [json!("3"), json!(3)] {
        siti.push("request_campaign_update", json!({ "campaign_id": id })).assert_reply("ok", figures.clone()).await;
    }
    let required = json!({ "reason": "campaign_id is required" });
    for nothing in [json!({}), json!({ "campaign_id": null }), json!({ "campaign_id": "" })] {
        siti.push("request_campaign_update", nothing).assert_reply("error", required.clone()).await;
    }
    let unknown = json!({ "reason": "no such campaign" });
    siti.push("request_campaign_update", json!({ "campaign_id": "9" })).assert_reply("error", unknown).await;
    for event in ["request_campaign_update", "campaign_updated"] {
        other.refute_push(event, json!({})).await;
    }
}

#[tokio::test]
async fn a_campaign_that_has_reached_its_goal_is_not_active() {
    let (app, campaigns) = donations().await;
    campaigns.set_raised("3", 5_000_000).await.unwrap();
    let state = admin(&app).await.assert_push("dashboard_state", json!({})).await;
    let active = state["active_campaigns"].as_array().unwrap().iter().map(|campaign| campaign["id"].as_str());
    assert_eq!(active.collect::<Option<Vec<_>>>(), Some(vec!["1", "2"]));
}
