//! The database answers, and has the tables of this version.

use super::finding::Finding;
use crate::config::Config;
use crate::store::{Facts, Location, OpenError, examine as look};

const CHECK: &str = "database";
const SCHEMA: &str = "schema";

/// Looks at the database that the configuration names.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let Some(url) = &config.database.url else {
        return vec![Finding::ok(CHECK, "database.url is not set: no archive, no members")];
    };
    let location = match Location::parse(url.expose()) {
        Ok(location) => location,
        Err(error) => return vec![Finding::fail(CHECK, error.to_string(), "correct database.url")],
    };
    match look(&location).await {
        Ok(facts) => verdict(&facts, location.engine()),
        Err(error) => vec![unusable(&error)],
    }
}

fn verdict(facts: &Facts, engine: &str) -> Vec<Finding> {
    let answers = Finding::ok(CHECK, format!("{engine} {}", facts.version));
    let schema = if !facts.pending.is_empty() {
        Finding::fail(SCHEMA, format!("lacks {}", facts.pending.join(", ")), "run `gateway migrate`")
    } else if facts.is_newer {
        let found = "a newer gateway has changed the tables";
        Finding::warn(SCHEMA, found, "run that version; this one goes on to work until the version after")
    } else {
        Finding::ok(SCHEMA, "up to date")
    };
    vec![answers, schema]
}

fn unusable(error: &OpenError) -> Finding {
    let change = match error {
        OpenError::Schema(_) => "run `gateway migrate`",
        _ => "start the database, or correct database.url",
    };
    Finding::fail(CHECK, error.to_string(), change)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn old_tables_fail_and_newer_ones_are_told() {
        let facts = |pending: &[&str], is_newer| Facts {
            version: "15.3".to_owned(),
            pending: pending.iter().map(|&step| step.to_owned()).collect(),
            is_newer,
        };
        let levels = |facts: Facts| {
            let found = verdict(&facts, "PostgreSQL");
            assert_eq!(found[0].found, "PostgreSQL 15.3");
            found[1].level
        };
        assert_eq!(levels(facts(&[], false)), Level::Ok);
        assert_eq!(levels(facts(&[], true)), Level::Warn);
        assert_eq!(levels(facts(&["0001_a"], false)), Level::Fail);
        assert_eq!(levels(facts(&["0002_b"], true)), Level::Fail);
    }
}
