use std::time::Duration;

use fred::interfaces::ClientLike;

use super::error::Unavailable;
use super::model::State;
use super::record::state_of;
use super::store::{StoreError, live_records, server_time};
use crate::redis::{self, Keys, Settings, SettingsError};

/// How long it may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connection may take to say goodbye.
const QUIT: Duration = Duration::from_secs(1);

/// Who is present in a topic, for one who is no pod: it takes no lease and writes nothing. Those of dead pods are left out,
/// whether or not somebody has dropped them yet. Inside: when Redis does not answer within 5 seconds.
///
/// # Errors
/// When the settings cannot be used.
pub async fn look_up(settings: &Settings, topic: &str) -> Result<Result<State, Unavailable>, SettingsError> {
    let client = redis::client(&settings.location)?;
    let keys = Keys::new(&settings.prefix);
    // The client's own task, which it spawns itself, ends by `quit`.
    let _connection = client.connect();
    let work = async {
        client.wait_for_connect().await.map_err(|_| StoreError::Unavailable)?;
        let now = server_time(&client).await?;
        live_records(&client, &keys, topic, now).await
    };
    let records = tokio::time::timeout(TIMEOUT, work).await;
    let _ = tokio::time::timeout(QUIT, client.quit()).await;
    Ok(records.unwrap_or(Err(StoreError::Unavailable)).map(state_of).map_err(|_| Unavailable))
}
