//! Redis cuts off a subscriber for whom too much waits; a pod comes back from that, and misses what was sent meanwhile.

use super::facts::Setting;
use super::finding::Finding;

const CHECK: &str = "buffers";

pub(super) const SETTING: &str = "client-output-buffer-limit";

/// The defaults of Redis: what it takes at least, in bytes.
const HARD: u64 = 32 << 20;
const SOFT: u64 = 8 << 20;

/// For how long a pod may be over the soft limit, at least.
const SECONDS: u64 = 10;

/// How many of the largest messages should find room.
const MESSAGES: u64 = 64;

/// `largest` is the size of the largest message that a client may send.
pub(super) fn verdict(setting: &Setting, largest: u64) -> Finding {
    let hard_needed = HARD.max(largest.saturating_mul(MESSAGES));
    let soft_needed = SOFT.max(hard_needed / 4);
    let line = format!("pubsub {hard_needed} {soft_needed} 60");
    let change = format!("CONFIG SET {SETTING} \"{line}\", and in redis.conf: {SETTING} {line}");
    let limits = match setting {
        Ok(text) => limits_of(text),
        Err(error) => {
            let found = format!("{SETTING} cannot be read ({error})");
            return Finding::warn(CHECK, found, format!("check that it is at least: {SETTING} {line}"));
        }
    };
    let Some((hard, soft, seconds)) = limits else {
        return Finding::warn(CHECK, format!("{SETTING} says nothing of pubsub"), change);
    };
    let found = format!("{SETTING} pubsub {hard} {soft} {seconds}");
    // Zero is no limit.
    if hard != 0 && hard < largest.saturating_mul(2) {
        return Finding::fail(CHECK, format!("{found}: one large message cuts a pod off"), change);
    }
    let small = (hard != 0 && hard < hard_needed) || (soft != 0 && (soft < soft_needed || seconds < SECONDS));
    if small {
        Finding::warn(CHECK, format!("{found}: bursts cut pods off"), change)
    } else {
        Finding::ok(CHECK, found)
    }
}

/// Hard limit, soft limit, and seconds, of the class `pubsub`.
fn limits_of(text: &str) -> Option<(u64, u64, u64)> {
    let mut words = text.split_whitespace().skip_while(|word| *word != "pubsub").skip(1);
    let mut next = || words.next()?.parse().ok();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn the_defaults_of_redis_are_enough_for_ours() {
        let large = 256 << 10;
        for (pubsub, level) in [
            ("33554432 8388608 60", Level::Ok),
            ("0 0 0", Level::Ok),
            ("0 8388608 60", Level::Ok),
            ("33554432 8388608 1", Level::Warn),
            ("33554432 1048576 60", Level::Warn),
            ("1048576 0 0", Level::Warn),
            ("65536 65536 60", Level::Fail),
        ] {
            let setting = Ok(format!("normal 0 0 0 slave 268435456 67108864 60 pubsub {pubsub}"));
            assert_eq!(verdict(&setting, large).level, level, "{pubsub}");
        }
    }

    #[test]
    fn larger_messages_need_more() {
        let setting = Ok("pubsub 33554432 8388608 60".to_owned());
        let finding = verdict(&setting, 4 << 20);
        assert_eq!(finding.level, Level::Warn);
        assert!(finding.change.unwrap().contains("pubsub 268435456 67108864 60"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for setting in [Err("NOPERM".to_owned()), Ok("normal 0 0 0".to_owned())] {
            assert_eq!(verdict(&setting, 1).level, Level::Warn);
        }
    }
}
