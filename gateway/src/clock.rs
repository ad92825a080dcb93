//! The time, so that tests can set it: everything that measures takes it from here.

use std::time::SystemTime;

use tokio::time::Instant;

/// Milliseconds since the process began, from a clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Microseconds since 1970, for people and other programs; nothing here measures with it.
#[expect(clippy::disallowed_methods, reason = "this is where the time is taken from")]
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds since 1970, for people and other programs; nothing here measures with it.
pub(crate) fn unix_seconds() -> u64 {
    unix_millis() / 1000
}

/// As [`unix_seconds`], in milliseconds.
#[expect(clippy::disallowed_methods, reason = "this is where the time is taken from")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
