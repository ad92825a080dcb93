//! Runs all checks, in the order in which an operator would want to read them.

use std::time::Duration;

use super::failover::Patience;
use super::finding::Finding;
use super::servers::{Found, REACH, Target, find, unreachable};
use super::{buffers, database, descriptors, events, eviction, facts, failover, permissions, role, settings, version};
use crate::config::{Config, Mode};
use crate::ids::NodeId;
use crate::presence::NOTIFY_SETTING;
use crate::redis::{Keys, Probe, ProbeError, Settings};

/// Looks at everything that the configuration names. It takes some seconds, the more the more servers are away.
pub(crate) async fn examine(config: &Config, mode: Mode, redis: Option<&Settings>) -> Vec<Finding> {
    let mut findings = settings::examine(config, mode);
    findings.push(descriptors::examine(&config.limits));
    findings.extend(database::examine(config).await);
    let Some(redis) = redis else {
        findings.push(Finding::ok(REACH, "redis.url is not set: one pod serves alone"));
        return findings;
    };
    let Found { targets, patience, findings: on_the_way } = find(&redis.location).await;
    findings.extend(on_the_way);
    if let Some(patience) = patience {
        findings.push(failover::verdict(patience, &config.presence));
    }
    for target in targets {
        let name = target.name();
        let mut of_one = Vec::new();
        let outcome = examine_one(config, redis, &target, &mut of_one).await;
        findings.extend(of_one.into_iter().map(|finding| finding.at(&name)));
        if let Err(error) = outcome {
            findings.push(unreachable(&error, &name));
        }
    }
    findings
}

/// Looks at one server, as far as the connection holds.
async fn examine_one(
    config: &Config,
    redis: &Settings,
    target: &Target,
    findings: &mut Vec<Finding>,
) -> Result<(), ProbeError> {
    let (location, keys) = (&redis.location, Keys::new(&redis.prefix));
    let (cluster, database) = (location.is_cluster(), location.database());
    let mut probe = Probe::open(location, &target.server).await?;
    findings.push(Finding::ok(REACH, "answers"));
    match facts::info(&mut probe).await? {
        Ok(info) => {
            findings.extend([version::verdict(&info), role::verdict(&info, cluster), eviction::verdict(&info)]);
        }
        Err(error) => {
            let found = format!("version, role and eviction are unknown ({error})");
            findings.push(Finding::warn(REACH, found, format!("ACL SETUSER {} +info", location.user())));
        }
    }
    if !cluster && database != 0 {
        let number = database.to_string();
        if let Err(error) = facts::refusal(probe.ask(&["SELECT", &number]).await)? {
            let found = format!("database {number} cannot be used ({error})");
            findings.push(Finding::fail(REACH, found, "correct the database number in redis.url"));
            return Ok(());
        }
    }
    let rehearsed = permissions::rehearse(&mut probe, &keys, database, cluster).await?;
    findings.push(permissions::verdict(&rehearsed, location.user(), &redis.prefix));
    findings.extend(examine_events(&mut probe, &keys, database, target).await?);
    let limit = facts::setting(&mut probe, buffers::SETTING).await?;
    findings.push(buffers::verdict(&limit, largest_message(config)));
    if cluster {
        let timeout = facts::setting(&mut probe, "cluster-node-timeout").await?;
        findings.push(match timeout.map(|millis| millis.parse().map(Duration::from_millis)) {
            Ok(Ok(timeout)) => failover::verdict(Patience::Cluster(timeout), &config.presence),
            Ok(Err(_)) => failover::unknown("not a number"),
            Err(error) => failover::unknown(&error),
        });
    }
    Ok(())
}

async fn examine_events(
    probe: &mut Probe,
    keys: &Keys,
    database: u8,
    target: &Target,
) -> Result<Option<Finding>, ProbeError> {
    let flags = facts::setting(probe, NOTIFY_SETTING).await?;
    let settable = permissions::may_set_flags(probe).await?;
    let node = format!("doctor-{}", NodeId::random());
    let Some(key) = target.own_name(|number| keys.probe(&node, number)) else { return Ok(None) };
    let arrive = events::arrive(probe, database, &key).await?;
    Ok(Some(events::verdict(&flags, &arrive, settable)))
}

/// In bytes, of the largest message that a client may send.
fn largest_message(config: &Config) -> u64 {
    let sizes = config.sockets().map(|socket| u64::try_from(socket.max_frame_size).unwrap_or(u64::MAX));
    sizes.max().unwrap_or_default()
}
