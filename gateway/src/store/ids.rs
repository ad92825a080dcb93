use parking_lot::Mutex;
use uuid::{ContextV7, Timestamp as Moment, Uuid};

use super::timestamp::Timestamp;

/// Names messages: UUIDs of version 7, each later than those before it, even when the clock of the machine is set back.
pub(super) struct Ids(Mutex<ContextV7>);

impl Ids {
    pub(super) fn new() -> Self {
        Self(Mutex::new(ContextV7::new().with_additional_precision()))
    }

    /// A new id of a message that is stored now.
    pub(super) fn next(&self, now: Timestamp) -> Uuid {
        let micros = u64::try_from(now.micros()).unwrap_or_default();
        let nanos = u32::try_from(micros % 1_000_000 * 1000).unwrap_or_default();
        let context = self.0.lock();
        Uuid::new_v7(Moment::from_unix(&*context, micros / 1_000_000, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_whatever_the_clock_does() {
        let ids = Ids::new();
        let mut last = Uuid::nil();
        let mut now = Timestamp::now().micros();
        for step in 0..10_000_i64 {
            // It stands still, and is set back by a second now and then.
            now += if step % 1000 == 999 { -1_000_000 } else { step % 2 };
            let id = ids.next(Timestamp::from_micros(now));
            assert!(id > last, "{last} {id}");
            assert_eq!(id.get_version_num(), 7);
            last = id;
        }
    }
}
