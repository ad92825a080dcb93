//! What a server tells of itself, as maps.

use std::collections::HashMap;

use crate::redis::{Probe, ProbeError};

/// The reply to INFO, by field.
pub(super) type Info = HashMap<String, String>;

/// A setting; or why it cannot be read.
pub(super) type Setting = Result<String, String>;

/// Asks a server about itself. Inside: it refuses to tell.
pub(super) async fn info(probe: &mut Probe) -> Result<Result<Info, String>, ProbeError> {
    let answer = refusal(probe.ask(&["INFO"]).await)?;
    Ok(answer.map(|texts| texts.first().map_or_else(Info::new, |text| fields(text))))
}

/// Asks for one setting of a server.
pub(super) async fn setting(probe: &mut Probe, name: &str) -> Result<Setting, ProbeError> {
    let answer = refusal(probe.ask(&["CONFIG", "GET", name]).await)?;
    Ok(answer.and_then(|words| pairs(words).remove(name).ok_or_else(|| "no such setting".to_owned())))
}

/// Tells an answer that is an error from a connection that failed.
pub(super) fn refusal<T>(answer: Result<T, ProbeError>) -> Result<Result<T, String>, ProbeError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(ProbeError::Refused(error)) => Ok(Err(error)),
        Err(error @ ProbeError::Connection(_)) => Err(error),
    }
}

/// Keys and values in turn.
pub(super) fn pairs(words: Vec<String>) -> HashMap<String, String> {
    let mut words = words.into_iter();
    let mut map = HashMap::new();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        map.insert(key, value);
    }
    map
}

/// Lines of the form `field:value`.
pub(super) fn fields(text: &str) -> Info {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(field, value)| (field.to_owned(), value.trim().to_owned())).collect()
}
