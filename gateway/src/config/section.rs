use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use toml::Value;

use super::error::{ConfigError, Place};
use super::units::{parse_duration, parse_size};

/// A value as it was given, before it has a type.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// What the environment held: `123` is a number in TOML, but may be meant as a name.
    pub(super) raw: Option<String>,
    pub(super) place: Place,
}

/// The values of one table, and how they become typed settings. All keys in it are known ones.
#[derive(Debug)]
pub(super) struct Section {
    /// `socket`, or `channel[0]`.
    name: String,
    place: Place,
    entries: BTreeMap<String, Entry>,
}

impl Section {
    pub(super) fn new(name: impl Into<String>, place: Place) -> Self {
        Self { name: name.into(), place, entries: BTreeMap::new() }
    }

    /// Notes where the table stands, for messages, and that it does.
    pub(super) fn stands_at(&mut self, place: Place) {
        self.place = place;
    }

    /// Whether anybody gave the table or a value of it.
    pub(super) fn is_given(&self) -> bool {
        self.place != Place::Default || !self.entries.is_empty()
    }

    /// Sets a value; a later source wins over an earlier one.
    pub(super) fn set(&mut self, key: &str, entry: Entry) {
        self.entries.insert(key.to_owned(), entry);
    }

    /// A required key that nobody set.
    pub(super) fn missing(&self, key: &str, hint: &str) -> ConfigError {
        ConfigError::Invalid {
            key: format!("{}.{key}", self.name),
            problem: format!("is missing: {hint}"),
            place: self.place.clone(),
        }
    }

    /// Any value, as `parse` reads it; its error reads on after the key and must not repeat a secret.
    pub(super) fn value_as<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        parse(&entry.value).map(Some).map_err(|problem| self.invalid(key, entry, problem))
    }

    /// A string. From the environment any value is one: `GATEWAY_REDIS__PREFIX=1` means `"1"`.
    pub(super) fn text_as<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        let text = entry.value.as_str().or(entry.raw.as_deref());
        let parsed = text.ok_or_else(|| format!("must be a string, not {}", kind(&entry.value))).and_then(parse);
        parsed.map(Some).map_err(|problem| self.invalid(key, entry, problem))
    }

    /// A list of strings.
    pub(super) fn list_as<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        self.value_as(key, |value| {
            let items = value.as_array().ok_or_else(|| format!("must be a list of strings, not {}", kind(value)))?;
            let parse_item = |item: &Value| match item.as_str() {
                Some(text) => parse(text),
                None => Err(format!("must be a list of strings, and holds {}", kind(item))),
            };
            items.iter().map(parse_item).collect()
        })
    }

    /// A duration that may be zero.
    pub(super) fn duration(&self, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        Ok(self.text_as(key, parse_duration)?.unwrap_or(default))
    }

    /// A duration over zero.
    pub(super) fn period(&self, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        let parse = |text: &str| match parse_duration(text)? {
            Duration::ZERO => Err("must be longer than zero".to_owned()),
            period => Ok(period),
        };
        Ok(self.text_as(key, parse)?.unwrap_or(default))
    }

    /// A size in bytes over zero; a bare number means bytes.
    pub(super) fn size(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        let parse = |value: &Value| {
            let bytes = match value {
                Value::Integer(bytes) => usize::try_from(*bytes).map_err(|_| "must be more than zero".to_owned()),
                Value::String(text) => parse_size(text),
                other => Err(format!("must be a size such as \"256KiB\", not {}", kind(other))),
            };
            bytes.and_then(|bytes| if bytes == 0 { Err("must be more than zero".to_owned()) } else { Ok(bytes) })
        };
        Ok(self.value_as(key, parse)?.unwrap_or(default))
    }

    /// A whole number over zero.
    pub(super) fn count(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        Ok(self.optional_count(key)?.unwrap_or(default))
    }

    /// A whole number over zero, if it was given.
    pub(super) fn optional_count(&self, key: &str) -> Result<Option<usize>, ConfigError> {
        self.value_as(key, |value| match value.as_integer().and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number > 0 => Ok(number),
            _ => Err("must be a whole number over zero".to_owned()),
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let parse =
            |value: &Value| value.as_bool().ok_or_else(|| format!("must be true or false, not {}", kind(value)));
        Ok(self.value_as(key, parse)?.unwrap_or(default))
    }

    fn invalid(&self, key: &str, entry: &Entry, problem: String) -> ConfigError {
        ConfigError::Invalid { key: format!("{}.{key}", self.name), problem, place: entry.place.clone() }
    }
}

/// The type of a value with its article, for messages; never the value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
