//! Nothing that can be typed makes loading panic.

use proptest::prelude::*;

use super::super::keys::{LISTS, SECTIONS, nearest_key, nearest_table, variable};
use super::*;

/// A setting with a value of any type, known or nearly known.
fn setting() -> impl Strategy<Value = String> {
    let tables: Vec<_> = SECTIONS.iter().chain(&LISTS).copied().collect();
    let value = prop_oneof![
        "\\PC{0,20}",
        any::<String>().prop_map(|text| toml::Value::String(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        Just("\"redis://:p@h\"".to_owned()),
        "\"[0-9]{0,20}(ms|s|h|KiB|GB)\"",
        "\\[\"[*/:.a-z]{0,9}\"(, 1)?\\]",
        "\\{ a = 1 \\}",
    ];
    (prop::sample::select(tables), any::<prop::sample::Index>(), value, any::<bool>()).prop_map(
        |((table, keys), index, value, list)| {
            let (open, close) = if list { ("[[", "]]") } else { ("[", "]") };
            format!("{open}{table}{close}\n{} = {value}\n", index.get(keys))
        },
    )
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        let _ = Config::from_toml(Mode::Dev, &text);
    }

    #[test]
    fn anything_like_toml(lines in prop::collection::vec("[\\[\\]a-z_.=\"'{}0-9*:/ #-]{0,30}", 0..8)) {
        let _ = Config::from_toml(Mode::Serve, &lines.join("\n"));
    }

    #[test]
    fn known_keys_with_any_value(settings in prop::collection::vec(setting(), 1..4)) {
        if let Ok(config) = Config::from_toml(Mode::Dev, &settings.concat()) {
            let printed = config.redacted_toml();
            prop_assert!(toml::from_str::<toml::Table>(&printed).is_ok(), "{}", printed);
        }
    }

    #[test]
    fn any_variable(table in "[A-Za-z_]{0,12}", key in any::<String>(), value in any::<String>()) {
        let _ = Config::load(Mode::Dev, None, [(format!("GATEWAY_{table}__{key}"), value)], &Flags::default());
    }

    #[test]
    fn any_value_of_a_known_variable(table in prop::sample::select(SECTIONS.to_vec()), index: prop::sample::Index, value: String) {
        let name = variable(table.0, index.get::<&str>(table.1));
        let _ = Config::load(Mode::Dev, None, [(name, value)], &Flags::default());
    }

    #[test]
    fn any_name_has_a_nearest_known_one(table: String, key: String) {
        let (near_table, near_key) = nearest_key(&table, &key);
        prop_assert!(!near_table.is_empty() && !near_key.is_empty() && !nearest_table(&table).is_empty());
    }
}

#[test]
fn deep_and_long_values_are_refused_without_harm() {
    let deep = format!("[socket]\npath = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Config::from_toml(Mode::Dev, &deep).is_err());
    assert!(Config::from_toml(Mode::Dev, &format!("{}a = 1", "a.".repeat(100_000))).is_err());
    assert!(Config::from_toml(Mode::Dev, &format!("[socket]\n{} = 1", "a".repeat(1_000_000))).is_err());
    assert!(from_environment(&[&format!("GATEWAY_SOCKET__PATH={}", "[".repeat(100_000))]).is_err());
}

#[test]
fn a_level_that_is_no_ascii_is_refused_without_a_panic() {
    let variables = [("GATEWAY_LOG__LEVEL".to_owned(), " 𝒽=".to_owned())];
    let error = Config::load(Mode::Dev, None, variables, &Flags::default()).unwrap_err();
    assert!(error.to_string().contains("log.level"), "{error}");
}
