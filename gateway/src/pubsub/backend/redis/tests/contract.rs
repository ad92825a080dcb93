use std::ops::{Deref, DerefMut};

use super::RedisPod;
use crate::pubsub::backend::contract::suite;
use crate::pubsub::testing::Pod;
use crate::redis::testing::RedisServer;

/// The pod goes before its server.
struct Fixture {
    pod: RedisPod,
    _server: RedisServer,
}

impl Deref for Fixture {
    type Target = Pod;

    fn deref(&self) -> &Pod {
        &self.pod
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut Pod {
        &mut self.pod
    }
}

async fn fixture() -> Fixture {
    let server = RedisServer::start();
    let pod = RedisPod::start(&server).await;
    pod.ready(true).await;
    Fixture { pod, _server: server }
}

suite!(fixture());
