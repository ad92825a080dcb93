//! Which keys exist, and which known key an unknown one was meant to be.

use super::nearest::most_like;
use super::{api, auth, channel, database, drain, limits, listen, log, presence, rebalance, redis, socket};

/// The tables that occur once, in the order of the documentation, with their keys.
pub(super) const SECTIONS: [(&str, &[&str]); 11] = [
    ("listen", listen::KEYS),
    ("redis", redis::KEYS),
    ("database", database::KEYS),
    ("socket", socket::KEYS),
    ("auth", auth::KEYS),
    ("limits", limits::KEYS),
    ("presence", presence::KEYS),
    ("drain", drain::KEYS),
    ("rebalance", rebalance::KEYS),
    ("api", api::KEYS),
    ("log", log::KEYS),
];

/// The tables that occur any number of times; only a file can hold them.
pub(super) const LISTS: [(&str, &[&str]); 3] =
    [("mount", socket::MOUNT_KEYS), ("auth.key", auth::KEY_KEYS), ("channel", channel::KEYS)];

/// Whether this is a list: it stands in the file as `[[name]]`.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.iter().any(|(list, _)| *list == name)
}

/// The keys of a section or list; `None` when there is no such table.
pub(super) fn keys_of(table: &str) -> Option<&'static [&'static str]> {
    SECTIONS.iter().chain(&LISTS).find(|(name, _)| *name == table).map(|(_, keys)| *keys)
}

/// The environment variable of a setting.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("GATEWAY_{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase())
}

/// The name of the known table that looks most like `table`.
pub(super) fn nearest_table(table: &str) -> &'static str {
    most_like(table, SECTIONS.iter().chain(&LISTS).map(|(name, _)| (*name, *name)))
}

/// The known setting that looks most like `table.key`, as its table and key.
///
/// A key that exists elsewhere is more probably in the wrong table than mistyped.
pub(super) fn nearest_key(table: &str, key: &str) -> (&'static str, &'static str) {
    let all = || SECTIONS.iter().chain(&LISTS).flat_map(|(table, keys)| keys.iter().map(move |key| (*table, *key)));
    let own = keys_of(table);
    let elsewhere = all().find(|(_, known)| *known == key);
    match (own, elsewhere) {
        (_, Some(found)) => found,
        (Some(keys), None) => {
            let near = most_like(key, keys.iter().map(|known| (*known, *known)));
            all().find(|(name, known)| *name == table && *known == near).unwrap_or(("socket", "path"))
        }
        (None, None) => {
            let full = format!("{table}.{key}");
            let names: Vec<_> = all().map(|(table, key)| (format!("{table}.{key}"), (table, key))).collect();
            most_like(&full, names.iter().map(|(name, pair)| (name.as_str(), *pair)))
        }
    }
}
