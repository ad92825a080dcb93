use std::fmt::Write as _;
use std::time::Duration;

use super::units::{print_duration, print_size};

/// Writes settings as TOML, in the order of the documentation.
#[derive(Default)]
pub(super) struct Printer(String);

impl Printer {
    /// `header` is the whole line: `[listen]` or `[[channel]]`.
    pub(super) fn section(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.0, "{gap}{header}");
    }

    pub(super) fn comment(&mut self, text: &str) {
        let _ = writeln!(self.0, "# {text}");
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {}", quote(value));
    }

    pub(super) fn bool(&mut self, key: &str, value: bool) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    pub(super) fn number(&mut self, key: &str, value: usize) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// A limit that may be off.
    pub(super) fn limit(&mut self, key: &str, value: Option<usize>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.comment(&format!("{key} is not set: no limit")),
        }
    }

    pub(super) fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, &print_duration(value));
    }

    pub(super) fn size(&mut self, key: &str, bytes: usize) {
        self.text(key, &print_size(bytes));
    }

    pub(super) fn list<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        let values: Vec<_> = values.map(quote).collect();
        let _ = writeln!(self.0, "{key} = [{}]", values.join(", "));
    }

    /// A table on one line.
    pub(super) fn inline(&mut self, key: &str, table: toml::Table) {
        let _ = writeln!(self.0, "{key} = {}", toml::Value::Table(table));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
