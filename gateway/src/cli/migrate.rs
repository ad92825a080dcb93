use serde_json::json;

use super::args::MigrateArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::database_location;
use crate::config::Config;
use crate::store::{Migrated, migrate};

/// Brings the tables of the database up to date, and prints a line of JSON for each step.
pub(super) fn run_migrations(config: &Config, options: &MigrateArgs) -> Result<(), Failure> {
    let location = database_location(config)?.ok_or_else(|| {
        Failure::Configuration("there is no database: set `database.url`, or give --database-url URL".to_owned())
    })?;
    let Migrated { steps, before } = runtime()?.block_on(migrate(&location, options.dry_run))?;
    for step in &steps {
        print(&format!("{}\n", json!({ "migration": step, "applied": !options.dry_run })));
    }
    print(&format!("{}\n", json!({ "engine": location.engine(), "before": before, "new": steps.len() })));
    Ok(())
}
