use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::gate::{Admission, Refused};
use super::table::MAX_REMEMBERED;
use crate::clock::Clock;
use crate::config::{Config, Limits, Mode};
use crate::lifecycle::Tasks;

fn limits(toml: &str) -> Limits {
    Config::from_toml(Mode::Dev, &format!("[limits]\n{toml}")).unwrap().limits
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pod_takes_as_many_as_it_may() {
    let admission = Admission::new(&limits("connections = 2"), Clock::start());
    let first = admission.admit(ip("192.0.2.1")).unwrap();
    let second = admission.admit(ip("192.0.2.2")).unwrap();
    assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Refused::PodFull);
    assert_eq!(admission.open(), 2, "what was refused is not counted");
    drop(first);
    let _third = admission.admit(ip("192.0.2.3")).unwrap();
    drop(second);
    assert_eq!(admission.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_as_many_as_it_may_and_others_are_not_concerned() {
    let admission = Admission::new(&limits("connections_per_ip = 1\nconnections = 10"), Clock::start());
    let one = admission.admit(ip("2001:db8::1")).unwrap();
    assert_eq!(admission.admit(ip("2001:db8::2")).unwrap_err(), Refused::AddressFull, "the same /64");
    assert_eq!(admission.open(), 1);
    let _other = admission.admit(ip("2001:db8:0:1::1")).unwrap();
    drop(one);
    let _again = admission.admit(ip("2001:db8::2")).unwrap();
    assert_eq!(admission.remembered(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_address_connects_at_its_rate() {
    let admission = Admission::new(&limits("connects_per_second = 2"), Clock::start());
    let client = ip("192.0.2.1");
    for _ in 0..10 {
        drop(admission.admit(client).unwrap());
    }
    let refused = admission.admit(client).unwrap_err();
    assert_eq!(refused, Refused::AddressTooFast(Duration::from_millis(500)));
    assert_eq!(refused.retry_after(), 1);
    assert!(admission.again(client).is_err(), "a second request on one connection is an attempt as well");
    assert!(admission.admit(ip("192.0.2.2")).is_ok());
    tokio::time::advance(Duration::from_millis(500)).await;
    assert!(admission.admit(client).is_ok());
    assert!(admission.admit(client).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_forgotten() {
    let admission = Admission::new(&limits("connects_per_second = 1\nconnections_per_ip = 5"), Clock::start());
    let held = admission.admit(ip("192.0.2.1")).unwrap();
    drop(admission.admit(ip("192.0.2.2")).unwrap());
    assert_eq!(admission.remembered(), 2, "it has just tried");
    let tasks = Tasks::new();
    tasks.spawn_until_stop(Arc::clone(&admission).forget());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(admission.remembered(), 1, "only the one with a connection is left");
    drop(held);
    assert_eq!(admission.remembered(), 0);
    tasks.stop();
}

/// One attacker with all of a /32: the table stays bounded, clients that are connected stay counted, and nobody else is
/// refused for it.
#[tokio::test(start_paused = true)]
async fn the_table_is_bounded() {
    let admission = Admission::new(&limits("connects_per_second = 1\nconnections_per_ip = 1"), Clock::start());
    let client = ip("192.0.2.1");
    let held = admission.admit(client).unwrap();
    let network = u128::from(Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0]));
    for subnet in 0..200_000_u128 {
        drop(admission.admit(Ipv6Addr::from(network | (subnet << 64)).into()).unwrap());
    }
    assert!(admission.remembered() <= 16 * MAX_REMEMBERED + 1, "{}", admission.remembered());
    assert_eq!(admission.admit(client).unwrap_err(), Refused::AddressFull);
    drop(held);
    tokio::time::advance(Duration::from_secs(2)).await;
    // Room is made as soon as it can be.
    let one = admission.admit(ip("2001:db8:ffff::1")).unwrap();
    assert_eq!(admission.admit(ip("2001:db8:ffff::1")).unwrap_err(), Refused::AddressFull);
    drop(one);
}

#[test]
fn without_limits_nothing_is_counted() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let admission = Admission::new(&limits(""), Clock::start());
    assert!(admission.admit(ip("192.0.2.1")).unwrap().is_none());
    assert_eq!((admission.open(), admission.remembered()), (0, 0));
}
