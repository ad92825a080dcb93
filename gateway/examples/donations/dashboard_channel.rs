use gateway::{Channel, ChannelError, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload};
use serde::Deserialize;
use serde_json::json;

use crate::campaigns::Campaigns;
use crate::donation::unix_seconds;
use crate::id::Id;
use crate::settings::Admins;

/// The topic of all dashboards.
pub(crate) const DASHBOARD: &str = "dashboard:live";

const RECENT: i64 = 10;

/// One admin at the dashboard.
pub(crate) struct DashboardChannel {
    campaigns: Campaigns,
    admins: Admins,
    name: String,
}

#[derive(Deserialize)]
struct JoinParams {
    token: String,
}

#[derive(Deserialize)]
struct Request {
    campaign_id: Id,
}

impl DashboardChannel {
    pub(crate) fn new(campaigns: Campaigns, admins: Admins) -> Self {
        Self { campaigns, admins, name: String::new() }
    }
}

impl Channel for DashboardChannel {
    fn intercept() -> &'static [&'static str] {
        &["campaign_updated", "campaign_refreshed"]
    }

    async fn join(&mut self, params: Payload, _cx: &mut JoinContext) -> JoinResult {
        let JoinParams { token } = params.parse().map_err(|_| JoinError::reason("unauthorized"))?;
        let name = self.admins.by_token(&token).ok_or_else(|| JoinError::reason("unauthorized"))?;
        self.name = name.to_owned();
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        self.push_state(cx).await?;
        cx.presence().push_state().await?;
        cx.presence().track(&self.name, &json!({ "role": "admin", "joined_at": unix_seconds() })).await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, _cx: &mut Context) -> HandlerResult {
        match event {
            "request_campaign_update" => {
                let Ok(Request { campaign_id }) = payload.parse() else {
                    return Ok(Outcome::error("campaign_id is required"));
                };
                match self.campaigns.get(&campaign_id.0).await? {
                    Some(campaign) => Outcome::ok_with(&campaign),
                    None => Ok(Outcome::error("no such campaign")),
                }
            }
            _ => Ok(Outcome::error("unknown event")),
        }
    }

    /// Totals have changed otherwise than by a donation, or a period is over: the state is told anew.
    async fn handle_out(&mut self, _event: &str, _payload: Payload, cx: &mut Context) -> HandlerResult {
        self.push_state(cx).await?;
        Ok(Outcome::NoReply)
    }
}

impl DashboardChannel {
    async fn push_state(&self, cx: &Context) -> Result<(), ChannelError> {
        let campaigns = self.campaigns.all().await?;
        let state = json!({
            "total_raised": campaigns.iter().map(|campaign| campaign.raised).sum::<i64>(),
            "active_campaigns": campaigns.iter().filter(|campaign| campaign.is_active()).collect::<Vec<_>>(),
            "recent_donations": self.campaigns.recent(RECENT).await?,
        });
        cx.push("dashboard_state", state)?;
        Ok(())
    }
}
