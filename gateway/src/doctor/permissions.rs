//! Whether the user of the URL may do what pods do. All of it is rehearsed: inside MULTI a server checks each command and
//! its keys and channels at once, and DISCARD drops them. That needs no rights of an administrator.

use super::facts::refusal;
use super::finding::Finding;
use crate::presence::NOTIFY_SETTING;
use crate::redis::{Keys, Probe, ProbeError};

const CHECK: &str = "permissions";

/// The commands of pods and of their scripts, with arguments in the right number: `k` stands for a key of ours, `c` for a
/// channel of ours.
const COMMANDS: &[&str] = &[
    "PING",
    "TIME",
    "INFO",
    "PUBLISH c m",
    "SUBSCRIBE c",
    "UNSUBSCRIBE c",
    "EVALSHA da39a3ee5e6b4b0d3255bfef95601890afd80709 1 k",
    "EVAL s 1 k",
    "GET k",
    "SET k v",
    "DEL k",
    "EXISTS k",
    "EXPIRE k 1",
    "PEXPIRE k 1",
    "PERSIST k",
    "PTTL k",
    "HDEL k f",
    "HEXISTS k f",
    "HGET k f",
    "HGETALL k",
    "HINCRBY k f 1",
    "HKEYS k",
    "HLEN k",
    "HMGET k f",
    "HSET k f v",
    "LRANGE k 0 1",
    "LTRIM k 0 1",
    "RPUSH k v",
    "SADD k v",
    "SMEMBERS k",
    "SRANDMEMBER k 1",
    "SREM k v",
    "XADD k * f v",
    "XRANGE k - +",
];

/// In a cluster, also these.
const OF_CLUSTER: &[&str] = &["CLUSTER SLOTS", "SPUBLISH c m", "SSUBSCRIBE c", "SUNSUBSCRIBE c"];

/// What came of the rehearsal: the commands that are refused, each with the server's error.
pub(super) type Refused = Vec<(String, String)>;

/// Rehearses what pods do. Inside: the user may not even do that.
pub(super) async fn rehearse(
    probe: &mut Probe,
    keys: &Keys,
    database: u8,
    cluster: bool,
) -> Result<Result<Refused, String>, ProbeError> {
    let more = if cluster { OF_CLUSTER } else { &[] };
    let topic = "doctor";
    let (key, channel) = (keys.presence(topic), keys.broadcast(topic));
    let mut commands: Vec<Vec<String>> = COMMANDS
        .iter()
        .chain(more)
        .map(|command| {
            let word = |word| match word {
                "k" => key.clone(),
                "c" => channel.clone(),
                word => word.to_owned(),
            };
            command.split(' ').map(word).collect()
        })
        .collect();
    commands.push(vec!["SUBSCRIBE".to_owned(), format!("__keyspace@{database}__:{key}")]);
    if let Err(error) = refusal(probe.ask(&["MULTI"]).await)? {
        return Ok(Err(error));
    }
    let mut refused = Refused::new();
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        if let Err(error) = refusal(probe.ask(&words).await)? {
            // In a cluster, the sample may belong to another server: then it would be allowed there.
            if !error.starts_with("MOVED") {
                refused.push((command.join(" "), error));
            }
        }
    }
    refusal(probe.ask(&["DISCARD"]).await)?.map_or_else(|error| Ok(Err(error)), |_| Ok(Ok(refused)))
}

/// Whether pods may make the setting for keyspace events. It is rehearsed, too.
pub(super) async fn may_set_flags(probe: &mut Probe) -> Result<bool, ProbeError> {
    if refusal(probe.ask(&["MULTI"]).await)?.is_err() {
        return Ok(false);
    }
    let allowed = refusal(probe.ask(&["CONFIG", "SET", NOTIFY_SETTING, "Khgx"]).await)?.is_ok();
    refusal(probe.ask(&["DISCARD"]).await)?.map_or(Ok(false), |_| Ok(allowed))
}

pub(super) fn verdict(rehearsed: &Result<Refused, String>, user: &str, prefix: &str) -> Finding {
    let refused = match rehearsed {
        Ok(refused) if refused.is_empty() => {
            return Finding::ok(CHECK, format!("user {user} may do what pods do"));
        }
        Ok(refused) => refused,
        Err(error) => {
            let found = format!("unknown what user {user} may do ({error})");
            return Finding::warn(CHECK, found, format!("ACL SETUSER {user} +multi +discard, and run this again"));
        }
    };
    let (mut rules, mut unknown) = (Vec::new(), Vec::new());
    for (command, error) in refused {
        let name = command.split(' ').next().unwrap_or_default();
        let rule = match error.as_str() {
            error if !error.starts_with("NOPERM") => {
                unknown.push(name);
                continue;
            }
            error if error.contains("command") => format!("+{}", command_rule(command)),
            error if error.contains("channel") => format!("&{prefix}:* &__keyspace@*__:{prefix}:*"),
            _ => format!("~{prefix}:*"),
        };
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    let names = |names: &[&str]| names.join(", ");
    if !unknown.is_empty() {
        let found = format!("Redis does not take {}", names(&unknown));
        return Finding::fail(CHECK, found, "take back the rename-command lines of redis.conf for these");
    }
    let mut commands: Vec<&str> = refused.iter().filter_map(|(command, _)| command.split(' ').next()).collect();
    commands.dedup();
    let found = format!("user {user} may not run {} as pods do", names(&commands));
    Finding::fail(CHECK, found, format!("ACL SETUSER {user} {}", rules.join(" ")))
}

/// As a rule names it: `cluster|slots` is a command of two words.
fn command_rule(command: &str) -> String {
    let mut words = command.split(' ');
    let name = words.next().unwrap_or_default().to_lowercase();
    match words.next().filter(|_| name == "cluster") {
        Some(second) => format!("{name}|{}", second.to_lowercase()),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_scripts_call_is_rehearsed() {
        let known: BTreeSet<&str> = COMMANDS.iter().filter_map(|command| command.split(' ').next()).collect();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/redis/scripts");
        let mut count = 0;
        for script in std::fs::read_dir(scripts).unwrap() {
            let path = script.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split("redis.call('").skip(1) {
                let command = call.split('\'').next().unwrap();
                assert!(known.contains(command), "{}: add {command} to COMMANDS", path.display());
                count += 1;
            }
        }
        assert!(count > 20, "{count} calls");
    }

    fn refused(command: &str, error: &str) -> (String, String) {
        (command.to_owned(), error.to_owned())
    }

    #[test]
    fn the_rules_that_are_missing_are_named() {
        let run = "NOPERM this user has no permissions to run the 'hset' command";
        let key = "NOPERM this user has no permissions to access one of the keys used as arguments";
        let channel = "NOPERM this user has no permissions to access one of the channels used as arguments";
        let rehearsed = vec![
            refused("HSET k f v", run),
            refused("CLUSTER SLOTS", run),
            refused("GET k", key),
            refused("SET k v", key),
            refused("SUBSCRIBE c", channel),
        ];
        let finding = verdict(&Ok(rehearsed), "app", "gw");
        assert_eq!(finding.level, Level::Fail);
        assert_eq!(finding.found, "user app may not run HSET, CLUSTER, GET, SET, SUBSCRIBE as pods do");
        let change = "ACL SETUSER app +hset +cluster|slots ~gw:* &gw:* &__keyspace@*__:gw:*";
        assert_eq!(finding.change.as_deref(), Some(change));
    }

    #[test]
    fn other_outcomes() {
        assert_eq!(verdict(&Ok(Vec::new()), "app", "gw").level, Level::Ok);
        assert_eq!(verdict(&Err("NOPERM".to_owned()), "app", "gw").level, Level::Warn);
        let renamed = verdict(&Ok(vec![refused("EVAL s 1 k", "ERR unknown command 'EVAL'")]), "app", "gw");
        assert_eq!((renamed.level, renamed.found.as_str()), (Level::Fail, "Redis does not take EVAL"));
    }
}
