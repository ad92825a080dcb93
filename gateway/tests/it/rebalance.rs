//! A pod that has far more connections than the other sends some of them away.

use tokio::task::JoinSet;

use crate::support::{Client, Pod, until};
use crate::two_pods::Pods;

const QUICK: &str = "[presence]\nheartbeat = \"200ms\"\nlease = \"400ms\"\ncoalesce = \"10ms\"\n";
const CLIENTS: usize = 80;

/// Clients of one pod that connect to the other one when they are told to; each ends with its close code, if it had one.
async fn crowd(from: &Pod, to: &Pod) -> (Vec<Client>, String) {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(from.connect().await);
    }
    (clients, format!("ws://{}/socket/websocket?vsn=2.0.0", to.public))
}

async fn counts(pod: &Pod) -> Vec<u64> {
    let nodes = pod.get("/api/v1/nodes").await.json();
    let nodes = nodes["nodes"].as_array().unwrap().iter();
    let mut counts: Vec<u64> = nodes.filter_map(|node| node["connections"].as_u64()).collect();
    counts.sort_unstable();
    counts
}

#[tokio::test]
async fn pods_show_how_many_connections_they_have() {
    let pods = Pods::start(QUICK).await;
    let _clients = [pods.a.connect().await, pods.a.connect().await, pods.b.connect().await];
    until(async || counts(&pods.a).await == [1, 2] && counts(&pods.b).await == [1, 2]).await;
    pods.a.until_metric("gateway_pods", "", |pods| pods == 2.0).await;
    let nodes = pods.a.get("/api/v1/nodes").await.json();
    assert!(nodes["nodes"].as_array().unwrap().iter().all(|node| node["envelope"] == 2), "{nodes}");
}

#[tokio::test]
async fn a_pod_with_all_the_clients_sends_some_to_the_other() {
    let settings = format!("{QUICK}[rebalance]\nenabled = true\nrate = 40\n");
    let pods = Pods::start(&settings).await;
    let (clients, other) = crowd(&pods.a, &pods.b).await;
    let mut moved = JoinSet::new();
    for mut client in clients {
        let other = other.clone();
        moved.spawn(async move {
            assert_eq!(client.closed().await, Some(1012));
            Client::connect(&other).await
        });
    }
    // Those who were sent away have come to the other pod, and it ends above the mean by half the slack at most: what chance
    // may do to 40, that is 4 * sqrt(40) / 2.
    pods.a.until_metric("gateway_connections", "", |connections| connections <= 52.0).await;
    pods.b.until_metric("gateway_connections", "", |connections| connections >= 28.0).await;
    until(async || pods.a.metric("gateway_rebalance_surplus", "").await == 0.0).await;
    let told = pods.a.metric("gateway_rebalanced_total", "").await;
    assert_eq!(pods.a.metric("gateway_disconnects_total", "rebalanced").await, told);
    // What the other pod tells is a little old, so it may be some more; not so many that the other one would begin.
    assert!((28.0..52.0).contains(&told), "{told}");
    assert_eq!(pods.b.metric("gateway_rebalanced_total", "").await, 0.0);
    moved.abort_all();
}

#[tokio::test]
async fn it_is_off_unless_it_is_wanted() {
    let pods = Pods::start(QUICK).await;
    let (clients, _) = crowd(&pods.a, &pods.b).await;
    // For several renewals of the leases, at each of which it could begin.
    let mut others = Vec::new();
    for count in 0..5 {
        until(async || counts(&pods.a).await == [count, CLIENTS as u64]).await;
        others.push(pods.b.connect().await);
    }
    for mut client in clients {
        client.assert_nothing_came().await;
    }
    assert_eq!(pods.a.metric("gateway_rebalanced_total", "").await, 0.0);
}
