//! Donations: campaigns that people give to, live, and a dashboard for admins.
//!
//! `make donations`, then open the address that it prints in two windows. The interesting files are
//! `campaign_channel.rs` and `dashboard_channel.rs`.

mod bank;
mod campaign_channel;
mod campaigns;
mod dashboard_channel;
#[path = "../shared/database.rs"]
mod database;
mod donation;
mod id;
mod settings;
#[path = "../shared/mod.rs"]
mod shared;
#[cfg(test)]
mod tests;
mod user_socket;

use gateway::{CheckOrigin, Gateway, InvalidPattern, Mount, Router, Turn};
use serde_json::json;

use campaign_channel::CampaignChannel;
use campaigns::{Campaigns, SCHEMA};
use dashboard_channel::{DASHBOARD, DashboardChannel};
use settings::{Admins, Settings};
use shared::AnyError;
use user_socket::UserSocket;

/// The socket and its channels.
fn socket(campaigns: &Campaigns, admins: &Admins) -> Result<Mount, InvalidPattern> {
    let (donors, dashboard, admins) = (campaigns.clone(), campaigns.clone(), admins.clone());
    let channels = Router::new()
        .channel("campaign:*", move || CampaignChannel::new(donors.clone()))?
        .channel(DASHBOARD, move || DashboardChannel::new(dashboard.clone(), admins.clone()))?;
    Ok(Mount::new("/socket", UserSocket, channels).check_origin(CheckOrigin::Conn))
}

/// Tells the donors of each campaign where it stands, and the dashboard that it may look again. Every pod has this job;
/// one of them is heard.
async fn refresh(campaigns: &Campaigns, turn: &Turn) -> Result<(), AnyError> {
    for campaign in campaigns.all().await? {
        let (raised, goal, donors) = (campaign.raised, campaign.goal, campaign.donors);
        let refreshed = json!({
            "campaign_id": campaign.id, "raised": raised, "goal": goal, "donors": donors, "timestamp": database::now(),
        });
        turn.broadcast(&format!("campaign:{}", campaign.id), "campaign_refreshed", refreshed).await?;
    }
    turn.broadcast(DASHBOARD, "campaign_refreshed", json!({ "timestamp": database::now() })).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let config = shared::config()?;
    let Settings { admins, refresh_every } = Settings::from_environment()?;
    let page = shared::page::routes(include_str!("page/index.html"), include_str!("page/page.js"))?;
    let campaigns = Campaigns::new(database::connect(SCHEMA).await?);
    let (bank, refreshed) = (campaigns.clone(), campaigns.clone());
    let builder = Gateway::builder(config)
        .mount(socket(&campaigns, &admins)?)
        .routes(|endpoint| page.merge(bank::routes(bank, endpoint.clone())))
        .every(refresh_every, "refresh", move |turn| {
            let campaigns = refreshed.clone();
            async move { refresh(&campaigns, &turn).await }
        });
    shared::serve(builder).await
}
