//! What each source sets, merged: default < file < environment < flags.

use super::environment::Environment;
use super::error::{ConfigError, Place};
use super::keys::{SECTIONS, is_list, keys_of, nearest_key, nearest_table, variable};
use super::mode::Flags;
use super::section::{Entry, Section, Value};

/// What variables of ours begin with. Kubernetes injects others that do too (`GATEWAY_PORT`); they have no `__`.
const PREFIX: &str = "GATEWAY_";

/// The sections as far as they have been read; a later source overwrites an earlier one.
#[derive(Debug)]
pub(super) struct Sources {
    /// In the order of [`SECTIONS`].
    sections: Vec<Section>,
    pub(super) mounts: Vec<Section>,
    pub(super) auth_keys: Vec<Section>,
    pub(super) channels: Vec<Section>,
}

impl Sources {
    pub(super) fn new() -> Self {
        let sections = SECTIONS.iter().map(|(name, _)| Section::new(*name, Place::Default)).collect();
        Self { sections, mounts: Vec::new(), auth_keys: Vec::new(), channels: Vec::new() }
    }

    /// One of [`SECTIONS`], by name.
    pub(super) fn section(&mut self, name: &str) -> &mut Section {
        let index = SECTIONS.iter().position(|(known, _)| *known == name);
        &mut self.sections[index.expect("callers pass the name of a section in SECTIONS")]
    }

    /// Adds one table of a list.
    pub(super) fn push(&mut self, list: &str, section: Section) {
        match list {
            "mount" => self.mounts.push(section),
            "auth.key" => self.auth_keys.push(section),
            _ => self.channels.push(section),
        }
    }

    /// Adds `GATEWAY_<SECTION>__<KEY>`. Values are TOML, or else strings.
    pub(super) fn add_environment(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        for (name, raw) in environment.iter() {
            let Some((table, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else { continue };
            let section = SECTIONS.iter().find(|(known, _)| variable(known, "") == variable(table, ""));
            let known = section.and_then(|(table, keys)| {
                keys.iter().find(|known| variable(table, known) == name).map(|key| (*table, *key))
            });
            let place = Place::Environment(name.to_owned());
            let Some((table, key)) = known else { return Err(unknown_variable(table, key, name)) };
            let value = raw.parse().unwrap_or_else(|_| Value::String(raw.to_owned()));
            self.section(table).set(key, Entry { value, raw: Some(raw.to_owned()), place });
        }
        Ok(())
    }

    /// Adds what the command line says.
    pub(super) fn add_flags(&mut self, flags: &Flags) {
        let given = [
            ("listen", "public", "--listen", flags.listen.map(|address| address.to_string())),
            ("listen", "internal", "--internal-listen", flags.internal_listen.map(|address| address.to_string())),
            ("redis", "url", "--redis-url", flags.redis_url.as_ref().map(|url| url.expose().to_owned())),
            ("database", "url", "--database-url", flags.database_url.as_ref().map(|url| url.expose().to_owned())),
        ];
        for (table, key, flag, value) in given {
            if let Some(value) = value {
                let entry = Entry { value: Value::String(value), raw: None, place: Place::Flag(flag) };
                self.section(table).set(key, entry);
            }
        }
    }
}

fn unknown_variable(table: &str, key: &str, name: &str) -> ConfigError {
    let (table, key) = (table.to_ascii_lowercase(), key.to_ascii_lowercase());
    let place = Place::Environment(name.to_owned());
    let dotted = format!("{table}.{key}");
    let list = if is_list(&dotted) { &dotted } else { &table };
    if is_list(list) {
        let problem = format!("can't be set by a variable: write [[{list}]] in the file");
        return ConfigError::Invalid { key: list.clone(), problem, place };
    }
    // With an unknown section, the key is looked for in the section that was probably meant.
    let meant = if keys_of(&table).is_some() { table.as_str() } else { nearest_table(&table) };
    let nearest = match nearest_key(meant, &key) {
        (table, _) if is_list(table) => nearest_key("socket", "path"),
        found => found,
    };
    ConfigError::UnknownKey { key: name.to_owned(), nearest: variable(nearest.0, nearest.1), place }
}
