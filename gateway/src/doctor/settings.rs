//! What stands in the configuration. It has passed all checks that refuse; these only warn.

use crate::config::{CheckOrigin, Config, Mode};

use super::finding::Finding;

const CHECK: &str = "config";

/// `serving`: it is what `serve` would use, and not only flags and environment.
pub(super) fn examine(config: &Config, mode: Mode) -> Vec<Finding> {
    let mut findings = Vec::new();
    if mode == Mode::Serve {
        if config.api.keys.is_empty() {
            findings.push(Finding::warn(
                CHECK,
                "api.keys is empty: the API answers 401 to everybody",
                "set api.keys = [\"env:GATEWAY_API_KEY\"], unless no back end uses it",
            ));
        }
        for socket in config.sockets().filter(|socket| socket.check_origin == CheckOrigin::Off) {
            findings.push(Finding::warn(
                CHECK,
                format!("the socket at {} takes connections from every web page", socket.path),
                "list the origins of your pages in check_origin",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "the settings are valid"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_serve_takes_and_should_not_be_so_is_warned_of() {
        let channel = "[[channel]]\ntopic = \"*\"\njoin = \"open\"\n";
        for (settings, warnings) in [
            ("[api]\nkeys = [\"k\"]\n[socket]\nhost = \"example.com\"\n", 0),
            ("[socket]\nhost = \"example.com\"\n", 1),
            ("[socket]\ncheck_origin = false\n", 2),
        ] {
            let config = Config::from_toml(Mode::Serve, &format!("{settings}{channel}")).unwrap();
            let findings = examine(&config, Mode::Serve);
            assert_eq!(findings.iter().filter(|finding| finding.level == Level::Warn).count(), warnings, "{settings}");
        }
        let embedded = examine(&Config::embedded(), Mode::Client);
        assert_eq!(embedded, [Finding::ok("config", "the settings are valid")]);
    }
}
