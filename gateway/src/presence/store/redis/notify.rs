//! Has servers report changes of keys.

use std::collections::HashMap;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClusterInterface, ConfigInterface};

/// What is needed: keyspace events of hashes, of generic commands, and of keys whose time has come.
const NEEDED: &str = "Khgx";

/// The setting of Redis that says which changes of keys it reports.
pub const NOTIFY_SETTING: &str = "notify-keyspace-events";

/// Adds the flags that are missing, and removes none. What to set by hand, where the servers don't allow that.
pub(super) async fn enable(client: &Client, cluster: bool) -> Option<&'static str> {
    let mut refused = None;
    if let Some(slots) = cluster.then(|| client.cached_cluster_state()).flatten() {
        for server in slots.unique_primary_nodes() {
            let node = client.with_cluster_node(server);
            refused = enable_one(&node).await.err().or(refused);
        }
    } else {
        refused = enable_one(client).await.err();
    }
    refused.map(|error| {
        tracing::debug!(%error, "the setting cannot be made");
        NEEDED
    })
}

async fn enable_one<C: ConfigInterface + Sync>(client: &C) -> Result<(), Error> {
    let found: HashMap<String, String> = client.config_get(NOTIFY_SETTING).await?;
    let flags = found.get(NOTIFY_SETTING).map_or("", String::as_str);
    match with_needed(flags) {
        Some(flags) => client.config_set(NOTIFY_SETTING, flags).await,
        None => Ok(()),
    }
}

/// The flags of [`NOTIFY_SETTING`] with those that presence needs and that are missing. None: there are none missing.
pub fn with_needed(flags: &str) -> Option<String> {
    // `A` stands for all classes, not for the kind of channel.
    let has = |flag: char| flags.contains(flag) || (flag != 'K' && flags.contains('A'));
    let missing: String = NEEDED.chars().filter(|flag| !has(*flag)).collect();
    (!missing.is_empty()).then(|| format!("{flags}{missing}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_added_and_never_removed() {
        assert_eq!(with_needed("").as_deref(), Some("Khgx"));
        assert_eq!(with_needed("E$").as_deref(), Some("E$Khgx"));
        assert_eq!(with_needed("AE").as_deref(), Some("AEK"));
        assert_eq!(with_needed("AKE"), None);
        assert_eq!(with_needed("Kghx"), None);
    }
}
