use super::model::Meta;

/// The longest key, in bytes.
const MAX_KEY: usize = 1024;

/// The largest meta, in bytes of JSON.
const MAX_META: usize = 64 * 1024;

/// Whether a key and a meta are small enough to be tracked: 1024 bytes, and 64 KiB of JSON.
pub fn fits(key: &str, meta: &Meta) -> bool {
    key.len() <= MAX_KEY && serde_json::to_string(meta).is_ok_and(|text| text.len() <= MAX_META)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_page() {
        let meta = |length: usize| Meta::from_iter([("m".to_owned(), "x".repeat(length).into())]);
        assert!(fits(&"k".repeat(1024), &meta(64 * 1024 - 8)));
        assert!(!fits(&"k".repeat(1025), &Meta::new()));
        assert!(!fits("k", &meta(64 * 1024 - 7)));
    }
}
