use std::time::Duration;

use super::outage::recovered;
use super::{RedisPod, settings};
use crate::pubsub::testing::soon;
use crate::redis::testing::{RedisSentinel, RedisServer};
use crate::wire::Vsn;

async fn receives_at(server: &RedisServer) {
    soon(async {
        while !server.command(&["PUBSUB", "NUMSUB", "test:{room:1}:b"]).contains(":1\r\n") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn subscriptions_follow_the_primary_when_it_crashes() {
    let mut sentinel = RedisSentinel::start();
    let pod = RedisPod::with_settings(&settings(&sentinel.url())).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    recovered(&pod).await;
    sentinel.primary.crash();
    receives_at(&sentinel.replica).await;
    client.queued();
    recovered(&pod).await;
    assert!(!client.queued().is_empty());
}

#[tokio::test]
async fn subscriptions_follow_the_primary_when_it_hands_over() {
    let sentinel = RedisSentinel::start();
    let pod = RedisPod::with_settings(&settings(&sentinel.url())).await;
    let mut client = pod.join("room:1", Vsn::V2).await;
    recovered(&pod).await;
    sentinel.fail_over();
    receives_at(&sentinel.replica).await;
    client.queued();
    recovered(&pod).await;
    assert!(!client.queued().is_empty());
}
