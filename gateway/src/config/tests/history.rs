//! `channel.history`: what is taken, and what is refused.

use std::time::Duration;

use super::*;

fn channel(history: &str) -> String {
    format!("[[channel]]\ntopic = \"a\"\njoin = \"open\"\nhistory = {history}")
}

fn take(history: &str) -> History {
    let config = Config::from_toml(Mode::Dev, &channel(history)).unwrap_or_else(|error| panic!("{history}: {error}"));
    config.channels[0].history.unwrap()
}

#[test]
fn what_is_given_is_taken_and_the_rest_has_defaults() {
    assert_eq!(take("{}"), History { size: 500, ttl: Duration::from_secs(600) });
    assert_eq!(take("{ size = 1, ttl = \"1s\" }"), History { size: 1, ttl: Duration::from_secs(1) });
    assert_eq!(take("{ size = 100000, ttl = \"24h\" }"), History { size: 100_000, ttl: Duration::from_secs(86_400) });
    let none = Config::from_toml(Mode::Dev, "[[channel]]\ntopic = \"a\"\njoin = \"open\"").unwrap();
    assert_eq!(none.channels[0].history, None);
}

#[test]
fn bad_ones_are_told_what_is_expected() {
    for (history, expected) in [
        ("true", "must be a table such as { size = 500, ttl = \"10m\" }, not a boolean"),
        ("{ lenght = 3 }", "has the unknown key \"lenght\""),
        ("{ tll = \"1m\" }", "did you mean `ttl`?"),
        ("{ size = 0 }", "needs a whole number from 1 to 100000 as `size`"),
        ("{ size = -1 }", "needs a whole number from 1 to 100000 as `size`"),
        ("{ size = 100001 }", "needs a whole number from 1 to 100000 as `size`"),
        ("{ size = 4294967297 }", "needs a whole number from 1 to 100000 as `size`"),
        ("{ size = \"500\" }", "needs a whole number from 1 to 100000 as `size`"),
        ("{ ttl = 600 }", "needs a string as `ttl`, not an integer"),
        ("{ ttl = \"10\" }", "has a `ttl` that must be a whole number with a unit"),
        ("{ ttl = \"0s\" }", "has a `ttl` that must be at least 1s"),
        ("{ ttl = \"999ms\" }", "has a `ttl` that must be at least 1s"),
        ("{ ttl = \"9000h\" }", "has a `ttl` that must be at most 8760h"),
    ] {
        let found = message(Mode::Dev, &channel(history));
        assert!(found.contains("gateway.toml:4: `channel[0].history` "), "{found}");
        assert!(found.contains(expected), "{history}\n  says     {found}\n  expected {expected}");
    }
}

#[test]
fn it_is_printed_and_loads_again() {
    let config = Config::from_toml(Mode::Dev, &channel("{ size = 20, ttl = \"90s\" }")).unwrap();
    let printed = config.redacted_toml();
    assert!(printed.contains("history = { size = 20, ttl = \"90s\" }"), "{printed}");
    assert_eq!(Config::from_toml(Mode::Dev, &printed).unwrap(), config, "{printed}");
}
