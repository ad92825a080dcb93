//! Presence is woken by what Redis reports of changed keys. Without reports pods poll, and see changes a heartbeat late.

use std::time::Duration;

use super::facts::{Setting, refusal};
use super::finding::Finding;
use crate::presence::{NOTIFY_SETTING, with_needed_flags};
use crate::redis::{Probe, ProbeError};

const CHECK: &str = "events";

/// How long a report may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// For how long the key stays if this process dies, in milliseconds.
const LIFE: &str = "10000";

/// Changes a key and waits for the report of it. Inside: the server refuses one of the commands.
pub(super) async fn arrive(probe: &mut Probe, database: u8, key: &str) -> Result<Result<bool, String>, ProbeError> {
    let channel = format!("__keyspace@{database}__:{key}");
    for command in [&["SUBSCRIBE", channel.as_str()][..], &["HINCRBY", key, "n", "1"], &["PEXPIRE", key, LIFE]] {
        if let Err(error) = refusal(probe.ask(command).await)? {
            return Ok(Err(error));
        }
    }
    let report = probe.message(PATIENCE).await?;
    // What refuses this stands with the permissions; the key goes by itself.
    let _ = refusal(probe.ask(&["DEL", key]).await)?;
    Ok(Ok(report.as_deref() == Some("hincrby")))
}

/// `settable`: whether pods may set the flags themselves.
pub(super) fn verdict(flags: &Setting, arrive: &Result<bool, String>, settable: bool) -> Finding {
    let missing = flags.as_ref().map(|flags| with_needed_flags(flags));
    match (missing, arrive) {
        (_, Err(error)) => {
            let found = format!("changes of a key cannot be watched ({error})");
            Finding::fail(CHECK, found, "see the finding on permissions")
        }
        (Ok(None), Ok(true)) => Finding::ok(CHECK, "changes of keys are reported"),
        (Err(error), Ok(true)) => {
            let found = format!("changes of hashes are reported; {NOTIFY_SETTING} cannot be read ({error})");
            Finding::ok(CHECK, found)
        }
        (Ok(None), Ok(false)) => Finding::fail(
            CHECK,
            format!("{NOTIFY_SETTING} is right, and no report of a change came"),
            "look for a proxy between the gateway and Redis that drops keyspace events",
        ),
        (Ok(Some(wanted)), Ok(_)) => {
            let found = format!("{NOTIFY_SETTING} is \"{}\": not all changes are reported", flags_of(flags));
            let by_hand = format!("CONFIG SET {NOTIFY_SETTING} {wanted}, and in redis.conf: {NOTIFY_SETTING} {wanted}");
            if settable {
                Finding::warn(CHECK, format!("{found}; pods set it when they start"), by_hand)
            } else {
                let found = format!("{found}, and pods may not set it: presence lags by up to a heartbeat");
                Finding::fail(CHECK, found, format!("as an administrator, {by_hand}"))
            }
        }
        (Err(error), Ok(false)) => {
            let wanted = with_needed_flags("").unwrap_or_default();
            let found = format!("no report of a change came, and {NOTIFY_SETTING} cannot be read ({error})");
            Finding::fail(
                CHECK,
                found,
                format!("add the flags {wanted} to {NOTIFY_SETTING} where your Redis is managed"),
            )
        }
    }
}

fn flags_of(flags: &Setting) -> &str {
    flags.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_is_reported_counts_and_what_can_be_set() {
        let refused = || Err("NOPERM".to_owned());
        for (flags, arrive, settable, level) in [
            (Ok("ghxK"), Ok(true), false, Level::Ok),
            (Ok("AKE"), Ok(true), false, Level::Ok),
            (Err("NOPERM"), Ok(true), false, Level::Ok),
            (Ok("ghxK"), Ok(false), true, Level::Fail),
            (Ok(""), Ok(false), true, Level::Warn),
            (Ok(""), Ok(false), false, Level::Fail),
            (Ok("hK"), Ok(true), false, Level::Fail),
            (Err("NOPERM"), Ok(false), false, Level::Fail),
            (Ok("ghxK"), refused(), true, Level::Fail),
        ] {
            let flags = flags.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(verdict(&flags, &arrive, settable).level, level, "{flags:?} {arrive:?} {settable}");
        }
    }

    #[test]
    fn the_exact_setting_keeps_the_flags_that_are_there() {
        let finding = verdict(&Ok("E$".to_owned()), &Ok(false), true);
        assert!(finding.change.unwrap().starts_with("CONFIG SET notify-keyspace-events E$Khgx, "));
    }
}
