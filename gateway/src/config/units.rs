//! Durations and sizes as people write them: `60s`, `256KiB`.

use std::time::Duration;

const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A longer time is a mistake, and would overflow a clock somewhere.
const LONGEST: u64 = 365 * 24 * 3_600_000;

/// `250ms`, `60s`, `10m` or `1h`: a whole number and a unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let milliseconds = parse(text, &DURATIONS)
        .ok_or("must be a whole number with a unit, such as \"250ms\", \"60s\", \"10m\" or \"1h\"")?;
    if milliseconds > LONGEST {
        return Err("must be at most 8760h".to_owned());
    }
    Ok(Duration::from_millis(milliseconds))
}

/// `512`, `256KiB`, `1MiB` or `10MB`: a whole number of bytes, `Ki` being 1024 and `K` 1000.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = parse(text, &SIZES).ok_or("must be a size such as \"256KiB\", \"1MiB\", \"10MB\" or \"512\"")?;
    usize::try_from(bytes).map_err(|_| "is too large".to_owned())
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A short text that [`parse_duration`] reads back; whole milliseconds.
pub(super) fn print_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    // One minute stays `60s`, as people write it.
    let fits = |(unit, factor): &&(&str, u64)| {
        milliseconds.is_multiple_of(*factor) && (*unit != "m" || milliseconds > *factor)
    };
    let (unit, factor) = DURATIONS.iter().rev().find(fits).unwrap_or(&DURATIONS[0]);
    format!("{}{unit}", milliseconds / factor)
}

/// A short text that [`parse_size`] reads back.
pub(super) fn print_size(bytes: usize) -> String {
    let (unit, factor) =
        SIZES[5..].iter().rev().find(|(_, factor)| (bytes as u64).is_multiple_of(*factor)).unwrap_or(&SIZES[1]);
    if bytes == 0 { "0B".to_owned() } else { format!("{}{unit}", bytes as u64 / factor) }
}
