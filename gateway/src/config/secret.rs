use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use subtle::ConstantTimeEq as _;

use super::environment::Environment;

/// What is printed in place of a secret. It is refused as a value, so that a printed configuration can't be served by
/// accident.
pub(super) const REDACTED: &str = "***";

/// No key or password is longer; a wrong path must not read a whole disk into memory.
const LONGEST_FILE: u64 = 64 * 1024;

/// A value that must not be printed: `Debug`, `Display` and `Serialize` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: Arc<str>,
    /// `env:NAME` or `file:PATH`, if it was given so. Not secret itself.
    reference: Option<Arc<str>>,
}

impl Secret {
    /// A secret that stands for itself.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self { value: value.into(), reference: None }
    }

    /// Reads what a setting gives: the secret itself, `env:NAME` (from `environment`) or `file:PATH` (the file's text
    /// without the line end).
    ///
    /// # Errors
    /// A sentence that reads on after the name of the setting: the variable or file is missing, or empty.
    pub fn resolve(given: &str, environment: &Environment) -> Result<Self, String> {
        let value: Arc<str> = if let Some(name) = given.strip_prefix("env:") {
            environment
                .get(name)
                .ok_or_else(|| format!("refers to the environment variable {name}, which is not set"))?
                .into()
        } else if let Some(path) = given.strip_prefix("file:") {
            read_file(path)?.into()
        } else {
            return Self::check(given).map(|()| Self::new(given));
        };
        Self::check(&value)?;
        Ok(Self { value, reference: Some(given.into()) })
    }

    fn check(value: &str) -> Result<(), String> {
        match value {
            "" => Err("is empty".to_owned()),
            REDACTED => Err(format!("holds {REDACTED}, which is printed in place of a secret; put the real one back")),
            _ => Ok(()),
        }
    }

    /// The secret itself: for comparing and connecting, never for printing.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Whether `given` is this secret, in a time that does not tell how much of it is right.
    pub fn matches(&self, given: &[u8]) -> bool {
        self.value.as_bytes().ct_eq(given).into()
    }

    /// Whether it was given as `env:NAME` or `file:PATH`.
    pub fn is_reference(&self) -> bool {
        self.reference.is_some()
    }

    /// What may be printed: the reference if it was given as one, else `***`.
    pub fn redacted(&self) -> &str {
        self.reference.as_deref().unwrap_or(REDACTED)
    }
}

/// The text of a file that a setting names, without the line end; at most 64 KiB.
pub(super) fn read_file(path: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("refers to the file {path}, which can't be read: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(format!("refers to the file {path}, which is larger than 64 KiB"));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.redacted()).finish()
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.redacted())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.redacted())
    }
}
