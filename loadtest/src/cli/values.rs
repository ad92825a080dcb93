//! Values with units.

use std::time::Duration;

/// `250ms`, `20s`, `5m`, or plain seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time; use ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time, as 20s is"))?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}

/// `3KiB`, `1.5MiB`, `3kB`, or plain bytes.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let scale = match unit {
        "" | "B" => 1.0,
        "kB" => 1e3,
        "KiB" => 1024.0,
        "MB" => 1e6,
        "MiB" => 1024.0 * 1024.0,
        _ => return Err(format!("{unit:?} is no unit of size; use B, kB, KiB, MB or MiB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no size, as 3KiB is"))?;
    Ok((number * scale) as u64)
}

/// A rate or a ratio: finite and above zero.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text:?} is not a number above zero"))
}

/// A part of a whole: above 0, at most 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    positive(text).ok().filter(|share| *share <= 1.0).ok_or_else(|| format!("{text:?} is not above 0 and at most 1"))
}

/// JSON, checked here so that a typing error is not taken for a fault of the server.
pub(super) fn json(text: &str) -> Result<String, String> {
    serde_json::from_str::<serde_json::Value>(text).map(|value| value.to_string()).map_err(|error| error.to_string())
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("20"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!((bytes("3KiB"), bytes("1500"), bytes("1.5kB")), (Ok(3072), Ok(1500), Ok(1500)));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(duration("soon").is_err() && duration("3 parsecs").is_err() && duration("-1s").is_err());
        assert!(bytes("3XB").is_err() && bytes("").is_err());
        assert!(positive("0").is_err() && positive("inf").is_err() && share("1.1").is_err() && json("{a}").is_err());
    }
}
