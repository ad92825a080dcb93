use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload, Reply};
use serde::Deserialize;
use serde_json::json;

use crate::campaigns::Campaigns;
use crate::dashboard_channel::DASHBOARD;
use crate::database::now;
use crate::donation::{Given, MOST, NewDonation, announce, unix_seconds};
use crate::id::Id;

/// One donor watching one campaign.
pub(crate) struct CampaignChannel {
    campaigns: Campaigns,
    campaign_id: String,
    user_id: String,
}

#[derive(Deserialize)]
struct JoinParams {
    user_id: Id,
}

#[derive(Deserialize)]
struct Update {
    /// In rupiah.
    raised: i64,
}

impl CampaignChannel {
    pub(crate) fn new(campaigns: Campaigns) -> Self {
        Self { campaigns, campaign_id: String::new(), user_id: String::new() }
    }
}

impl Channel for CampaignChannel {
    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        let JoinParams { user_id } = params.parse().map_err(|_| JoinError::reason("user_id is required"))?;
        self.user_id = user_id.0;
        self.campaign_id = cx.topic().strip_prefix("campaign:").unwrap_or_default().to_owned();
        match self.campaigns.get(&self.campaign_id).await? {
            Some(_) => Ok(Payload::empty()),
            None => Err(JoinError::reason("no such campaign")),
        }
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("campaign_data", json!(self.campaigns.get(&self.campaign_id).await?))?;
        cx.presence().push_state().await?;
        cx.presence().track(&self.user_id, &json!({ "online_at": unix_seconds() })).await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "new_donation" => match payload.parse::<NewDonation>().unwrap_or_default().validate(None) {
                Ok(donation) => {
                    let given = Given { campaign_id: self.campaign_id.clone(), donation };
                    self.campaigns.give(&given, None).await?;
                    announce(cx.endpoint(), &given).await;
                    Ok(Outcome::ok())
                }
                Err(errors) => Ok(Outcome::Reply(Reply::error(json!({ "errors": errors })))),
            },
            // For who has counted donations itself, and may have missed one or counted it twice.
            "request_campaign_update" => match self.campaigns.get(&self.campaign_id).await? {
                Some(campaign) => Outcome::ok_with(&campaign),
                None => Ok(Outcome::error("no such campaign")),
            },
            "update_campaign" => {
                let raised =
                    payload.parse().ok().map(|Update { raised }| raised).filter(|raised| (0..=MOST).contains(raised));
                let Some(raised) = raised else {
                    let errors = json!({ "raised": "must be a whole number of rupiah, at most a trillion" });
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": errors }))));
                };
                self.campaigns.set_raised(&self.campaign_id, raised).await?;
                let updated = json!({ "campaign_id": self.campaign_id, "raised": raised, "timestamp": now() });
                cx.broadcast("campaign_updated", updated.clone()).await?;
                cx.endpoint().broadcast(DASHBOARD, "campaign_updated", updated).await?;
                Ok(Outcome::ok())
            }
            _ => Ok(Outcome::error("unknown event")),
        }
    }
}
