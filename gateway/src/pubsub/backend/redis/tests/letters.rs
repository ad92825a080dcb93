use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{RedisPod, settings};
use crate::ids::NodeId;
use crate::pubsub::testing::soon;
use crate::redis::testing::{RedisCluster, RedisServer};

/// Letters reach their node alone, and whoever sends them is told whether anybody hears; all nodes share one secret.
async fn nodes_write_to_each_other(url: &str) {
    let (a, b) = (RedisPod::with_settings(&settings(url)).await, RedisPod::with_settings(&settings(url)).await);
    a.ready(true).await;
    b.ready(true).await;
    let (to_a, to_b) = (a.pubsub.node(), b.pubsub.node());
    assert_eq!(b.pubsub.send_letter(to_a, Bytes::from_static(b"early")).await, Ok(0), "it is not open yet");
    let (sender, mut letters) = mpsc::unbounded_channel();
    a.pubsub.open_letters(Arc::new(move |letter| drop(sender.send(letter))));
    let sent = async {
        while b.pubsub.send_letter(to_a, Bytes::from_static(b"\0one\xff")).await == Ok(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(sent).await;
    assert_eq!(soon(letters.recv()).await.unwrap(), Bytes::from_static(b"\0one\xff"));
    for nobody in [to_b, &NodeId::random()] {
        assert_eq!(a.pubsub.send_letter(nobody, Bytes::from_static(b"two")).await, Ok(0));
    }
    let proposed = |text: &'static [u8]| Bytes::from_static(text);
    let shared = a.pubsub.shared_secret("test", proposed(b"of a")).await.unwrap();
    assert_eq!(shared, proposed(b"of a"));
    assert_eq!(b.pubsub.shared_secret("test", proposed(b"of b")).await, Ok(shared));
    assert_eq!(b.pubsub.shared_secret("else", proposed(b"of b")).await, Ok(proposed(b"of b")));
    assert!(letters.is_empty(), "nothing came twice, or early");
}

#[tokio::test]
async fn nodes_write_to_each_other_by_one_server() {
    nodes_write_to_each_other(&RedisServer::start().url()).await;
}

#[tokio::test]
async fn nodes_write_to_each_other_in_a_cluster() {
    nodes_write_to_each_other(&RedisCluster::start().url()).await;
}
