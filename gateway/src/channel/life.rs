use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// So many seconds before a connection ends, its client is told.
const WARNING: u64 = 60;

/// Where there is no end.
const NEVER: u64 = u64::MAX;

/// A message for [`super::Channel::handle_info`]: the client was renewed, and may have other rights than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed;

/// Until when a connection may last, when it was heard last, and whether it should end. One sweep looks at all of them, so
/// that none needs a timer.
#[derive(Debug)]
pub(crate) struct Life {
    /// When it ends, in seconds since 1970.
    at: AtomicU64,
    /// This and the next in milliseconds of the pod's clock.
    opened_ms: AtomicU64,
    last_seen_ms: AtomicU64,
    idle_timeout_ms: AtomicU32,
    /// Why it should end, by a number that the socket gives reasons; 0 while it need not.
    closing: AtomicU8,
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

impl Life {
    pub(super) fn new(at: Option<u64>) -> Self {
        Self {
            at: AtomicU64::new(at.unwrap_or(NEVER)),
            opened_ms: AtomicU64::new(0),
            last_seen_ms: AtomicU64::new(0),
            idle_timeout_ms: AtomicU32::new(u32::MAX),
            closing: AtomicU8::new(0),
            near: AtomicBool::new(false),
            renewed: AtomicBool::new(false),
        }
    }

    /// It is open from now on. Until then it is never idle; a timeout of over 49 days is none.
    pub(crate) fn begin(&self, idle_timeout: Duration, now_ms: u64) {
        let idle_timeout_ms = u32::try_from(idle_timeout.as_millis()).unwrap_or(u32::MAX);
        self.idle_timeout_ms.store(idle_timeout_ms, Ordering::Relaxed);
        self.opened_ms.store(now_ms, Ordering::Relaxed);
        self.last_seen_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How long it has been open.
    pub(crate) fn age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.opened_ms.load(Ordering::Relaxed)))
    }

    /// Notes that bytes came.
    pub(crate) fn seen(&self, now_ms: u64) {
        self.last_seen_ms.store(now_ms, Ordering::Relaxed);
    }

    /// When bytes came last.
    pub(crate) fn last_seen_ms(&self) -> u64 {
        self.last_seen_ms.load(Ordering::Relaxed)
    }

    /// Whether nothing came for as long as it may be silent.
    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        let timeout = self.idle_timeout_ms.load(Ordering::Relaxed);
        timeout < u32::MAX && now_ms.saturating_sub(self.last_seen_ms()) >= u64::from(timeout)
    }

    /// Why it should end; 0 while it need not.
    pub(crate) fn closing(&self) -> u8 {
        self.closing.load(Ordering::Acquire)
    }

    /// It should end. Whether this is the first reason, which stays.
    pub(crate) fn close(&self, reason: u8) -> bool {
        self.closing.compare_exchange(0, reason, Ordering::AcqRel, Ordering::Acquire).is_ok()
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
        let life = Life::new(Some(1000));
        assert_eq!((life.due(939), life.seconds_left(939)), (Due::Nothing, None));
        assert_eq!((life.due(940), life.seconds_left(940)), (Due::Warning, Some(60)));
        assert_eq!((life.due(941), life.due(999), life.due(1000)), (Due::Nothing, Due::Nothing, Due::End));
        life.renew(SystemTime::UNIX_EPOCH + Duration::from_secs(2000));
        assert!(life.take_renewed() && !life.take_renewed() && !life.is_near());
        assert_eq!((life.due(1000), life.due(1950)), (Due::Nothing, Due::Warning));
        assert_eq!(Life::new(None).due(u64::MAX - 1), Due::Warning, "in 500 billion years");
    }

    #[test]
    fn a_connection_is_idle_after_its_timeout_and_keeps_the_first_reason() {
        let life = Life::new(None);
        assert!(!life.is_idle(u64::MAX), "it is not open yet");
        life.begin(Duration::from_millis(100), 1000);
        assert!(!life.is_idle(1099) && life.is_idle(1100));
        life.seen(1050);
        assert!(!life.is_idle(1149) && life.is_idle(1150));
        assert_eq!(life.age(1500), Duration::from_millis(500));
        assert!(life.close(3) && !life.close(4));
        assert_eq!(life.closing(), 3);
        life.begin(Duration::MAX, 0);
        assert!(!life.is_idle(u64::MAX));
    }
}
