//! How records stand in Redis: the field names node and reference, the value is `[key, meta]` in JSON, and
//! `[key, meta, until]` for what lingers.

use fred::types::Value;
use serde_json::value::RawValue;

use super::super::StoreError;
use crate::presence::record::{Delta, Position, Reading, Record, RecordId, Snapshot};

/// The value of a record.
pub(super) fn value(record: &Record) -> String {
    // A string between brackets: that cannot fail.
    let key = serde_json::to_string(&record.key).unwrap_or_default();
    match record.until {
        None => format!("[{key},{}]", record.meta),
        Some(until) => format!("[{key},{},{until}]", record.meta),
    }
}

fn record(field: &str, value: &str) -> Option<Record> {
    let id = RecordId::parse(field)?;
    type Left = (Box<str>, Box<RawValue>, u64);
    type Here = (Box<str>, Box<RawValue>);
    let (key, meta, until) = if id.is_lingering() {
        let (key, meta, until): Left = serde_json::from_str(value).ok()?;
        (key, meta, Some(until))
    } else {
        let (key, meta): Here = serde_json::from_str(value).ok()?;
        (key, meta, None)
    };
    Some(Record { id, key, meta: meta.get().into(), until })
}

/// All text in a reply, in order, whatever it is nested in.
pub(super) fn texts(value: Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        other => other.into_string().into_iter().collect(),
    }
}

/// The reply of `presence_read.lua`. None: it is none.
pub(super) fn reading(reply: Value) -> Option<Reading> {
    let mut words = texts(reply).into_iter();
    match words.next()?.as_str() {
        "same" => Some(Reading::Same),
        "nothing" => Some(Reading::Snapshot(Snapshot::default())),
        "changes" => {
            let version = words.next()?.parse().ok()?;
            Some(Reading::Deltas(version, words.map(|change| delta(&change)).collect::<Option<_>>()?))
        }
        "all" => snapshot(words).map(Reading::Snapshot),
        _ => None,
    }
}

/// The fields and values of a hash.
pub(super) fn snapshot(mut words: impl Iterator<Item = String>) -> Option<Snapshot> {
    let (mut epoch, mut version, mut snapshot) = (None, 0, Snapshot::default());
    while let (Some(field), Some(text)) = (words.next(), words.next()) {
        match field.as_str() {
            "e" => epoch = Some(text.as_str().into()),
            "v" => version = text.parse().ok()?,
            "s" => snapshot.complete = text.split_whitespace().map(Into::into).collect(),
            field => snapshot.records.extend(record(field, &text)),
        }
    }
    snapshot.position = epoch.map(|epoch| Position { epoch, version });
    Some(snapshot)
}

/// One item of the list of changes: version, number of dropped fields, those, and then fields and values, by lines.
fn delta(change: &str) -> Option<Delta> {
    let mut lines = change.split('\n').skip(1);
    let count: usize = lines.next()?.parse().ok()?;
    let drop = lines.by_ref().take(count).filter_map(RecordId::parse).collect();
    let mut put = Vec::new();
    while let (Some(field), Some(value)) = (lines.next(), lines.next()) {
        put.extend(record(field, value));
    }
    Some(Delta { drop, put })
}

// Taken by value, as `map_err` hands it over.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn unavailable(error: fred::error::Error) -> StoreError {
    tracing::debug!(%error, "Redis has not done it");
    StoreError::Unavailable
}
