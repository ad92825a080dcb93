//! The pages for users are true: docs/CONFIGURATION.md and docs/gateway.example.toml.

use std::collections::BTreeSet;

use super::super::keys::{LISTS, SECTIONS, variable};
use super::*;

const PAGE: &str = include_str!("../../../../docs/CONFIGURATION.md");
const EXAMPLE: &str = include_str!("../../../../docs/gateway.example.toml");

/// The rows of the page's tables: key, meaning, default, variable (channels have none).
fn rows() -> Vec<Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

#[test]
fn the_page_lists_each_setting_and_no_other() {
    // The keys of a mount are those of the socket, and stand there once.
    let known = SECTIONS.iter().chain(&LISTS).filter(|(table, _)| *table != "mount");
    let known: BTreeSet<_> =
        known.flat_map(|(table, keys)| keys.iter().map(move |key| format!("{table}.{key}"))).collect();
    let listed: Vec<_> = rows().iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(listed.len(), known.len(), "a setting is listed twice");
}

#[test]
fn the_page_names_the_variables() {
    for row in rows() {
        let (table, key) = row[0].rsplit_once('.').unwrap();
        if table != "channel" && table != "auth.key" {
            assert_eq!(row[3], variable(table, key), "{row:?}");
        }
    }
}

#[test]
fn the_page_names_the_defaults() {
    // [auth] has defaults only where it is given, and then it has a key.
    let secret = "*".repeat(64);
    let least =
        format!("[[channel]]\ntopic = \"*\"\njoin = \"open\"\n[[auth.key]]\nalg = \"HS256\"\nsecret = \"{secret}\"");
    let printed = Config::from_toml(Mode::Client, &least).unwrap().redacted_toml();
    let defaults: toml::Table = toml::from_str(&printed).unwrap();
    for row in rows() {
        let (table, key) = row[0].rsplit_once('.').unwrap();
        let found = match table.split_once('.') {
            Some((outer, inner)) => &defaults[outer][inner],
            None => &defaults[table],
        };
        let table = match found {
            toml::Value::Array(tables) => &tables[0],
            table => table,
        };
        let default = match (row[0], table.get(key)) {
            ("channel.topic" | "channel.join" | "auth.key.alg", _) => "required".to_owned(),
            ("auth.key.secret" | "auth.key.public_key_file", _) => "one of the two".to_owned(),
            (_, Some(value)) => value.to_string(),
            (_, None) => "not set".to_owned(),
        };
        assert_eq!(row[2], default, "{row:?}");
    }
}

#[test]
fn the_example_loads_and_shows_each_setting() {
    let environment = variables(&[
        "GATEWAY_API_KEY=k",
        "REDIS_URL=redis://h",
        "DATABASE_URL=postgres://h/gateway",
        "WEBHOOK_SECRET=0123456789abcdef",
        "GATEWAY_TOKEN_SECRET=0123456789abcdef0123456789abcdef",
        "GATEWAY_OLD_TOKEN_SECRET=0123456789abcdef0123456789abcdef0123456789abcdef",
    ]);
    let file = TemporaryFile::new("example.toml", EXAMPLE);
    let config = Config::load(Mode::Serve, Some(&file.0), environment, &Flags::default()).unwrap();
    assert!(!config.channels.is_empty() && !config.mounts.is_empty());
    for (table, keys) in SECTIONS.iter().chain(&LISTS).filter(|(table, _)| *table != "mount") {
        // A list may show its keys in several entries.
        let is_table = |part: &&str| part.trim_start_matches('[').starts_with(&format!("{table}]"));
        let section: String = EXAMPLE.split("\n[").filter(is_table).collect();
        assert!(!section.is_empty(), "the example has no [{table}]");
        for key in *keys {
            // Two keys exclude each other: the other one stands in a comment.
            let shown = [format!("\n{key} = "), format!("`{key} = ")];
            assert!(shown.iter().any(|shown| section.contains(shown)), "the example does not show {table}.{key}");
        }
    }
}
