use std::sync::Arc;

use prometheus::Registry;

use crate::builtin::Archive;
use crate::config::Config;
use crate::lifecycle::Tasks;
use crate::store::{Location, Metrics, OpenError, Store, migrate};

/// Opens the database of the configuration, if it has one. In development its file makes itself.
pub(super) async fn connect(
    config: &Config,
    metrics: &Registry,
    tasks: &Tasks,
    dev: bool,
) -> Result<Option<Arc<Archive>>, OpenError> {
    let metrics = Metrics::register(metrics)?;
    let Some(location) = database_location(config)? else { return Ok(None) };
    if dev && config.database.url.as_ref().is_some_and(|url| url.is_file()) {
        migrate(&location, false).await?;
    }
    let store = Store::open(location, metrics, tasks).await?;
    Ok(Some(Arc::new(Archive::new(store, &config.channels))))
}

/// How the database is reached, if there is one.
pub(crate) fn database_location(config: &Config) -> Result<Option<Location>, OpenError> {
    config.database.url.as_ref().map(|url| Location::parse(url.expose())).transpose()
}

/// Connects a command to the database of the configuration, if it has one.
pub(crate) async fn open_database(config: &Config) -> Result<Option<Store>, OpenError> {
    let Some(location) = database_location(config)? else { return Ok(None) };
    let metrics = Metrics::register(&Registry::new())?;
    Ok(Some(Store::open(location, metrics, &Tasks::new()).await?))
}
