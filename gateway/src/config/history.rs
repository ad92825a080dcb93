use std::time::Duration;

use toml::Table;

use super::nearest::most_like;
use super::section::{Value, kind};
use super::units::{parse_duration, print_duration};

const KEYS: &[&str] = &["size", "ttl"];

/// A longer history is an archive, which belongs in a database.
const LARGEST: i64 = 100_000;

/// Shorter than a client needs to notice that it is cut off and to come back, so surely meant otherwise.
const SHORTEST: Duration = Duration::from_secs(1);

/// `channel.history`: what the topics of a pattern keep for clients that come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The last so many messages of each topic. Default 500.
    pub size: u32,
    /// A topic whose last message is older keeps nothing. Default 10 minutes.
    pub ttl: Duration,
}

impl History {
    /// Reads the table; the error reads on after the name of the setting.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let example = "{ size = 500, ttl = \"10m\" }";
        let table =
            value.as_table().ok_or_else(|| format!("must be a table such as {example}, not {}", kind(value)))?;
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let nearest = most_like(unknown, KEYS.iter().map(|key| (*key, *key)));
            return Err(format!("has the unknown key {unknown:?}: did you mean `{nearest}`?"));
        }
        let size = match table.get("size") {
            None => Some(500),
            Some(value) => value.as_integer().filter(|size| *size <= LARGEST),
        };
        let size = size.and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        let ttl = match table.get("ttl") {
            None => Duration::from_secs(600),
            Some(Value::String(text)) => {
                parse_duration(text).map_err(|problem| format!("has a `ttl` that {problem}"))?
            }
            Some(other) => return Err(format!("needs a string as `ttl`, not {}", kind(other))),
        };
        if ttl < SHORTEST {
            return Err("has a `ttl` that must be at least 1s".to_owned());
        }
        Ok(Self { size: size.ok_or_else(|| format!("needs a whole number from 1 to {LARGEST} as `size`"))?, ttl })
    }

    /// As a table for printing.
    pub(super) fn table(self) -> Table {
        Table::from_iter([
            ("size".to_owned(), Value::Integer(self.size.into())),
            ("ttl".to_owned(), Value::String(print_duration(self.ttl))),
        ])
    }
}
