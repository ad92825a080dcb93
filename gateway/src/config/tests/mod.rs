//! The settings as a user meets them: files, variables and flags in, values or messages out.

use std::path::PathBuf;

use super::*;

mod auth;
mod documents;
mod garbage;
mod history;
mod secrets;
mod sources;
mod values;
mod webhook;

/// The least that `serve` accepts.
const LEAST: &str = "[socket]\nhost = \"example.com\"\n[[channel]]\ntopic = \"*\"\njoin = \"open\"\n";

/// The variables of a test, from `NAME=value`.
fn variables<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (String, String)> + 'a {
    lines.iter().map(|line| {
        let (name, value) = line.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    })
}

/// What `dev` makes of variables alone.
fn from_environment(lines: &[&str]) -> Result<Config, ConfigError> {
    Config::load(Mode::Dev, None, variables(lines), &Flags::default())
}

/// The message that `text` is refused with.
fn message(mode: Mode, text: &str) -> String {
    Config::from_toml(mode, text).expect_err(text).to_string()
}

/// A file that lives as long as the test.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("gateway-config-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
