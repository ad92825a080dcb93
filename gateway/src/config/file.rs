//! The configuration file: TOML into sections, with the line of each value.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place};
use super::keys::{is_list, keys_of, nearest_key, nearest_table};
use super::section::{Entry, Section, Value};
use super::sources::Sources;

/// A larger file is not a configuration; a wrong path must not read a whole disk into memory.
const LARGEST_FILE: u64 = 4 << 20;

/// Reads the file at `path` and adds what it sets.
pub(super) fn read(path: &Path, sources: &mut Sources) -> Result<(), ConfigError> {
    use std::io::Read as _;
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > LARGEST_FILE {
        return Err(unreadable(std::io::Error::other("larger than 4 MiB")));
    }
    parse(path, &text, sources)
}

/// Adds what the TOML in `text` sets; `path` is only for messages.
pub(super) fn parse(path: &Path, text: &str, sources: &mut Sources) -> Result<(), ConfigError> {
    let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let file = File { path: path.into(), line_ends };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        place: file.place(error.span()),
        // Only the parser's own words: its Display repeats the line, which may hold a secret.
        message: error.message().to_owned(),
    })?;
    for (name, value) in table.get_ref() {
        let at = file.place(Some(name.span()));
        file.table(name.get_ref(), value.get_ref(), at, sources)?;
    }
    Ok(())
}

/// What is needed to name a line of the file.
struct File {
    path: Arc<Path>,
    /// Where each line feed stands, ascending.
    line_ends: Vec<usize>,
}

impl File {
    fn table(&self, name: &str, value: &DeValue<'_>, at: Place, sources: &mut Sources) -> Result<(), ConfigError> {
        // A list within a section has a name with a dot, which no table at the top has.
        if keys_of(name).is_none() || name.contains('.') {
            let nearest = nearest_table(name).to_owned();
            return Err(ConfigError::UnknownKey { key: name.to_owned(), nearest, place: at });
        }
        if is_list(name) {
            return self.list(name, value, &at, sources);
        }
        let table = value.as_table().ok_or_else(|| ConfigError::Invalid {
            key: name.to_owned(),
            problem: format!("must be one table: write [{name}]"),
            place: at.clone(),
        })?;
        for (key, value) in table {
            let list = format!("{name}.{}", key.get_ref());
            if is_list(&list) {
                self.list(&list, value.get_ref(), &self.place(Some(key.span())), sources)?;
            }
        }
        let section = sources.section(name);
        section.stands_at(at);
        self.entries(name, table, section)
    }

    fn list(&self, name: &str, value: &DeValue<'_>, at: &Place, sources: &mut Sources) -> Result<(), ConfigError> {
        let wrong = |problem: String| ConfigError::Invalid { key: name.to_owned(), problem, place: at.clone() };
        let items = value.as_array().ok_or_else(|| wrong(format!("must be a list of tables: write [[{name}]]")))?;
        for (index, item) in items.iter().enumerate() {
            let table = item.get_ref().as_table().ok_or_else(|| wrong("must hold only tables".to_owned()))?;
            let mut section = Section::new(format!("{name}[{index}]"), self.place(Some(item.span())));
            self.entries(name, table, &mut section)?;
            sources.push(name, section);
        }
        Ok(())
    }

    fn entries(&self, name: &str, table: &DeTable<'_>, section: &mut Section) -> Result<(), ConfigError> {
        for (key, value) in table {
            let place = self.place(Some(key.span()));
            let key = key.get_ref().as_ref();
            if is_list(&format!("{name}.{key}")) {
                continue;
            }
            if !keys_of(name).is_some_and(|keys| keys.contains(&key)) {
                let (near_table, near_key) = nearest_key(name, key);
                let nearest = format!("{near_table}.{near_key}");
                return Err(ConfigError::UnknownKey { key: format!("{name}.{key}"), nearest, place });
            }
            let value = plain(value.get_ref()).map_err(|problem| ConfigError::Invalid {
                key: format!("{name}.{key}"),
                problem,
                place: place.clone(),
            })?;
            section.set(key, Entry { value, raw: None, place });
        }
        Ok(())
    }

    fn place(&self, span: Option<Range<usize>>) -> Place {
        let line = span.map(|span| 1 + self.line_ends.partition_point(|end| *end < span.start));
        Place::File { path: Arc::clone(&self.path), line }
    }
}

/// The value without its place in the file. The parser bounds how deep it can be.
fn plain(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            Value::Integer(i64::from_str_radix(&digits, number.radix()).map_err(|_| "is too large".to_owned())?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, item)| Ok((key.get_ref().to_string(), plain(item.get_ref())?)));
            Value::Table(entries.collect::<Result<_, String>>()?)
        }
    })
}
