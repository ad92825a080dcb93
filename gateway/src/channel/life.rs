use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// So many seconds before a connection ends, its client is told.
const WARNING: u64 = 60;

/// Where there is no end.
const NEVER: u64 = u64::MAX;

/// A message for [`super::Channel::handle_info`]: the client was renewed, and may have other rights than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed;

/// Until when a connection may last. One sweep looks at all of them, so that none needs a timer.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// Seconds since 1970.
    at: AtomicU64,
    near: AtomicBool,
    renewed: AtomicBool,
}

/// What is to be done about a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Its client is to be told that the end is near; said once.
    Warning,
    End,
}

impl Expiry {
    pub(super) fn new(at: Option<u64>) -> Self {
        Self { at: AtomicU64::new(at.unwrap_or(NEVER)), near: AtomicBool::new(false), renewed: AtomicBool::new(false) }
    }

    /// What is due, by the time in seconds since 1970.
    pub(crate) fn due(&self, now: u64) -> Due {
        match self.at.load(Ordering::Relaxed).saturating_sub(now) {
            0 => Due::End,
            1..=WARNING if !self.near.swap(true, Ordering::AcqRel) => Due::Warning,
            _ => Due::Nothing,
        }
    }

    /// How many seconds are left, if the end is near.
    pub(super) fn seconds_left(&self, now: u64) -> Option<u64> {
        let left = self.at.load(Ordering::Relaxed).saturating_sub(now);
        if left > WARNING {
            // The sweep saw the old end while it was renewed: the new one is still to be seen.
            self.near.store(false, Ordering::Release);
            return None;
        }
        Some(left)
    }

    pub(super) fn at(&self) -> Option<SystemTime> {
        let at = self.at.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).filter(|_| at != NEVER)
    }

    /// Whether the end was seen to be near.
    pub(crate) fn is_near(&self) -> bool {
        self.near.load(Ordering::Acquire)
    }

    pub(super) fn renew(&self, at: SystemTime) {
        self.at.store(seconds(at), Ordering::Relaxed);
        self.near.store(false, Ordering::Release);
        self.renewed.store(true, Ordering::Release);
    }

    /// Whether it was renewed since this was asked last.
    pub(super) fn take_renewed(&self) -> bool {
        self.renewed.load(Ordering::Acquire) && self.renewed.swap(false, Ordering::AcqRel)
    }
}

/// Whole seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_comes_once_and_again_after_a_renewal() {
        let expiry = Expiry::new(Some(1000));
        assert_eq!((expiry.due(939), expiry.seconds_left(939)), (Due::Nothing, None));
        assert_eq!((expiry.due(940), expiry.seconds_left(940)), (Due::Warning, Some(60)));
        assert_eq!((expiry.due(941), expiry.due(999), expiry.due(1000)), (Due::Nothing, Due::Nothing, Due::End));
        expiry.renew(SystemTime::UNIX_EPOCH + Duration::from_secs(2000));
        assert!(expiry.take_renewed() && !expiry.take_renewed() && !expiry.is_near());
        assert_eq!((expiry.due(1000), expiry.due(1950)), (Due::Nothing, Due::Warning));
        assert_eq!(Expiry::new(None).due(u64::MAX - 1), Due::Warning, "in 500 billion years");
    }
}
