//! `channel.webhook`: what is taken, what is refused, and that its secret is never shown.

use std::time::Duration;

use super::*;

fn channel(webhook: &str) -> String {
    format!("[[channel]]\ntopic = \"a\"\njoin = \"webhook\"\nwebhook = {webhook}")
}

fn take(webhook: &str) -> Webhook {
    let config = Config::from_toml(Mode::Dev, &channel(webhook)).unwrap_or_else(|error| panic!("{webhook}: {error}"));
    config.channels.into_iter().next().unwrap().webhook.unwrap()
}

#[test]
fn the_least_has_the_documented_defaults() {
    let webhook = take("{ url = \"https://h/p?q\", secret = \"0123456789abcdef\" }");
    assert_eq!(webhook.url.expose().as_str(), "https://h/p?q");
    assert_eq!((&webhook.events, webhook.timeout), (&ClientEvents::All, Duration::from_secs(5)));
    assert_eq!(webhook.key(), b"0123456789abcdef");
}

#[test]
fn what_is_given_is_taken() {
    let encoded = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==";
    let webhook = take(&format!(
        "{{ url = \"http://h:8080\", secret = \"{encoded}\", events = [\"a\", \"b\"], timeout = \"250ms\" }}"
    ));
    assert!(webhook.events.allows("b") && !webhook.events.allows("c"));
    assert_eq!((webhook.timeout, webhook.key()), (Duration::from_millis(250), b"0123456789abcdef".to_vec()));
}

#[test]
fn it_goes_with_every_rule_about_joins() {
    let text = channel("{ url = \"http://h\", secret = \"0123456789abcdef\" }").replace("\"webhook\"", "\"open\"");
    let config = Config::from_toml(Mode::Dev, &text).unwrap();
    assert_eq!(config.channels[0].join, Join::Open);
    assert!(config.channels[0].webhook.is_some());
}

#[test]
fn bad_ones_are_told_what_is_expected_and_never_their_secret() {
    let secret = "secret = \"hunter2hunter2hunter2\"";
    for (webhook, expected) in [
        ("\"https://h\"".to_owned(), "must be a table such as"),
        (format!("{{ {secret} }}"), "needs a `url`"),
        ("{ url = \"https://h\" }".to_owned(), "needs a `secret`"),
        (format!("{{ url = 1, {secret} }}"), "needs a string as `url`, not an integer"),
        (format!("{{ url = \"h\", {secret} }}"), "has a `url` that is none"),
        (format!("{{ url = \"redis://h\", {secret} }}"), "does not begin with https:// or http://"),
        (format!("{{ url = \"https://u:hunter2@h\", {secret} }}"), "with a user or password"),
        (format!("{{ url = \"https://h/#a\", {secret} }}"), "with a #fragment"),
        (format!("{{ url = \"https://h/?***\", {secret} }}"), "put the real one back"),
        ("{ url = \"https://h\", secret = \"hunter2\" }".to_owned(), "is shorter than 16 bytes"),
        ("{ url = \"https://h\", secret = \"whsec_hunter2\" }".to_owned(), "has no base64 behind whsec_"),
        ("{ url = \"https://h\", secret = \"env:NOT_SET\" }".to_owned(), "NOT_SET, which is not set"),
        ("{ url = \"https://h\", secret = \"***\" }".to_owned(), "put the real one back"),
        (format!("{{ url = \"https://h\", {secret}, evnts = [] }}"), "unknown key \"evnts\": did you mean `events`?"),
        (format!("{{ url = \"https://h\", {secret}, events = \"a\" }}"), "needs a list of strings as `events`"),
        (format!("{{ url = \"https://h\", {secret}, events = [1] }}"), "which holds an integer"),
        (
            format!("{{ url = \"https://h\", {secret}, events = [\"phx_join\"] }}"),
            "has a list `events` that has the entry",
        ),
        (format!("{{ url = \"https://h\", {secret}, timeout = \"0s\" }}"), "must be longer than zero"),
        (format!("{{ url = \"https://h\", {secret}, timeout = \"5\" }}"), "must be a whole number with a unit"),
        (format!("{{ url = \"https://h\", {secret}, timeout = \"2m\" }}"), "must be at most 60s"),
    ] {
        let found = message(Mode::Dev, &channel(&webhook));
        assert!(found.contains("gateway.toml:4: `channel[0].webhook` "), "{found}");
        assert!(
            found.contains(expected) && !found.contains("hunter2"),
            "{webhook}\n  says     {found}\n  expected {expected}"
        );
    }
}

#[test]
fn it_is_printed_without_its_secret_and_loads_again() {
    let text = channel(
        "{ url = \"https://h/p?hunter2hunter2hunter2\", events = [\"a\"], secret = \"hunter2hunter2hunter2\", timeout = \"3s\" }",
    );
    let config = Config::from_toml(Mode::Dev, &text).unwrap();
    let printed = config.redacted_toml();
    assert!(!printed.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{printed}");
    let restored = printed.replace("***", "hunter2hunter2hunter2");
    assert_eq!(Config::from_toml(Mode::Dev, &restored).unwrap(), config, "{printed}");
}
