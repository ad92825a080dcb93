//! Redis 7.0 is the first with sharded channels, and Valkey has always had them.

use super::facts::Info;
use super::finding::Finding;

const CHECK: &str = "version";
const MINIMUM: u32 = 7;

pub(super) fn verdict(info: &Info) -> Finding {
    let get = |field: &str| info.get(field).map(String::as_str);
    let (name, version) = match get("valkey_version") {
        Some(version) => ("Valkey", Some(version)),
        None => ("Redis", get("redis_version")),
    };
    let Some(version) = version else {
        return Finding::warn(CHECK, "unknown: INFO names none", "check that it is Redis 7.0 or newer, or Valkey");
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let found = format!("{name} {version}");
    match major {
        Some(major) if major >= MINIMUM => Finding::ok(CHECK, found),
        _ => Finding::fail(CHECK, format!("{found} is too old"), "upgrade to Redis 7.0 or newer, or to Valkey"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::fields;
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn seven_is_new_enough() {
        for (info, level, found) in [
            ("redis_version:7.0.15\r\n", Level::Ok, "Redis 7.0.15"),
            ("redis_version:8.2.1", Level::Ok, "Redis 8.2.1"),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n", Level::Ok, "Valkey 8.0.1"),
            ("redis_version:10.0.0", Level::Ok, "Redis 10.0.0"),
            ("redis_version:6.2.14", Level::Fail, "Redis 6.2.14 is too old"),
            ("redis_version:unstable", Level::Fail, "Redis unstable is too old"),
            ("", Level::Warn, "unknown: INFO names none"),
        ] {
            let finding = verdict(&fields(info));
            assert_eq!((finding.level, finding.found.as_str()), (level, found));
            assert_eq!(finding.change.is_some(), level != Level::Ok);
        }
    }
}
