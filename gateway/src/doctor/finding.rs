use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, and will hurt some day; or it cannot be found out.
    Warn,
    /// Something does not work.
    Fail,
}

/// What one check says; as text one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) level: Level,
    /// The check, from a small closed set.
    pub(crate) check: &'static str,
    /// Host and port, when it is about one server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// How it is.
    pub(crate) found: String,
    /// What to change; present unless it is ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, server: None, found: found.into(), change: None }
    }

    pub(super) fn warn(check: &'static str, found: impl Into<String>, change: impl Into<String>) -> Self {
        Self { level: Level::Warn, check, server: None, found: found.into(), change: Some(change.into()) }
    }

    pub(super) fn fail(check: &'static str, found: impl Into<String>, change: impl Into<String>) -> Self {
        Self { level: Level::Fail, check, server: None, found: found.into(), change: Some(change.into()) }
    }

    pub(super) fn at(mut self, server: &str) -> Self {
        self.server = Some(server.to_owned());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        write!(f, "{level:<4}  {:<11}  ", self.check)?;
        if let Some(server) = &self.server {
            write!(f, "{server}: ")?;
        }
        // What a server says may have several lines; a finding has one.
        write!(f, "{}", self.found.replace(['\r', '\n'], " "))?;
        if let Some(change) = &self.change {
            write!(f, "; to change: {change}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let finding = Finding::fail("redis", "no\r\nanswer", "start it").at("h:1");
        assert_eq!(finding.to_string(), "fail  redis        h:1: no  answer; to change: start it");
        let json = r#"{"level":"ok","check":"version","found":"Redis 7"}"#;
        assert_eq!(serde_json::to_string(&Finding::ok("version", "Redis 7")).unwrap(), json);
    }
}
