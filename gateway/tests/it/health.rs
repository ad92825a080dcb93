use std::collections::BTreeSet;

use crate::support::{Pod, RedisServer, Scratch, request, until};

#[tokio::test]
async fn it_lives_and_is_ready_at_once_without_redis() {
    let pod = Pod::dev().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(pod.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn it_is_ready_when_redis_is_there_and_unready_when_redis_has_been_away_for_a_while() {
    let mut redis = RedisServer::start();
    redis.crash();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    assert_eq!(pod.get("/livez").await.status, 200);
    assert_eq!(pod.get("/readyz").await.status, 503);
    redis.resume();
    pod.until_readyz(200).await;
    redis.crash();
    pod.until_readyz(503).await;
    assert_eq!(pod.get("/livez").await.status, 200, "a restart would not help");
    redis.resume();
    pod.until_readyz(200).await;
}

#[tokio::test]
async fn a_blip_of_redis_does_not_make_it_unready() {
    let mut redis = RedisServer::start();
    let pod = Pod::start(&["dev", "--redis-url", &redis.url()], &[]).await;
    pod.until_readyz(200).await;
    redis.crash();
    pod.until_metric("gateway_redis_up", "", |up| up == 0.0).await;
    assert_eq!(pod.get("/readyz").await.status, 200);
    redis.resume();
    until(async || {
        assert_eq!(pod.get("/readyz").await.status, 200);
        pod.metric("gateway_redis_up", "").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let pod = Pod::dev().await;
    for path in ["/", "/nothing", "/api/v1/nothing", "/socket/websocket"] {
        pod.get(path).await.problem(404);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let response = pod.post(path, "{}").await;
        response.problem(405);
        assert!(response.header("allow").is_some_and(|allow| allow.contains("GET")), "{response:?}");
    }
    // The internal paths are not on the public listener.
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/broadcast"] {
        assert_eq!(request(pod.public, "GET", path, &[], "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn every_line_of_the_metrics_is_valid_and_has_its_help() {
    let pod = used_pod().await;
    let response = pod.get("/metrics").await;
    assert!(response.header("content-type").unwrap().starts_with("text/plain"));
    let (mut described, mut typed, mut samples) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in response.body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect(line);
            assert!(described.insert(name) && text.len() > 5, "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert!(typed.insert(name) && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').expect(line);
            value.parse::<f64>().expect(line);
            assert!(samples.insert(sample), "twice: {line}");
            let name = sample.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(typed.contains(name) || family.is_some_and(|family| typed.contains(family)), "{line}");
            assert!(!sample.contains("room:1"), "a topic is no label: {line}");
        }
    }
    assert_eq!(described, typed);
}

#[tokio::test]
async fn the_page_of_the_metrics_names_all_of_them_and_no_others() {
    let pod = used_pod().await;
    let page = pod.get("/metrics").await.body;
    let served: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let document = include_str!("../../../docs/METRICS.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<_> = rows.map(|(name, _)| name).collect();
    let listed: BTreeSet<_> = rows.iter().map(|name| name.split('{').next().unwrap()).collect();
    assert_eq!(listed, served, "docs/METRICS.md");
    // Each label with all its values: dashboards and alerts are written from the page.
    for row in rows.iter().filter(|row| row.contains('{')) {
        let (name, labels) = row.trim_end_matches('}').split_once('{').unwrap();
        for label in labels.split(',') {
            let of_label = |line: &'_ str| {
                let (sample, _) = line.split_once("} ")?;
                let (family, pairs) = sample.split_once('{')?;
                let family = family.strip_suffix("_bucket").unwrap_or(family);
                let value = pairs.split(',').find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\""));
                (family == name).then_some(())?;
                Some(value?.trim_end_matches('"').to_owned())
            };
            let values: BTreeSet<_> = page.lines().filter_map(of_label).collect();
            // A family with several labels has a paragraph for each.
            let head = if labels == label { format!("`{name}`: ") } else { format!("`{name}`, `{label}`: ") };
            let documented = document.split("\n\n").find_map(|text| text.strip_prefix(&head)).expect(&head);
            let documented: BTreeSet<_> = documented.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(documented, values, "docs/METRICS.md, the values of {label} of {row}");
        }
    }
}

#[tokio::test]
async fn the_counters_count() {
    let scratch = Scratch::new();
    let pod = Pod::serve(&scratch, "", &[]).await;
    let (mut alice, mut bob) = (pod.connect().await, pod.connect().await);
    alice.join("1", "room:1").await;
    bob.join("1", "room:1").await;
    pod.broadcast("room:1", "e", &serde_json::json!({})).await;
    alice.next().await;
    bob.next().await;
    assert_eq!(pod.metric("gateway_connections", "").await, 2.0);
    assert_eq!(pod.metric("gateway_channels_joined", "").await, 2.0);
    assert_eq!(pod.metric("gateway_connects_total", "accepted").await, 2.0);
    assert_eq!(pod.metric("gateway_joins_total", "ok").await, 2.0);
    assert_eq!(pod.metric("gateway_messages_received_total", "").await, 2.0);
    assert_eq!(pod.metric("gateway_messages_delivered_total", "").await, 2.0);
    assert!(pod.metric("gateway_bytes_received_total", "").await > 0.0);
    assert!(pod.metric("gateway_bytes_sent_total", "").await > 0.0);
    alice.close().await;
    pod.until_metric("gateway_connections", "", |open| open == 1.0).await;
    assert_eq!(pod.metric("gateway_disconnects_total", "client_closed").await, 1.0);
    pod.until_metric("gateway_channels_joined", "", |joined| joined == 1.0).await;
}

/// A gateway that has had something to count.
async fn used_pod() -> Pod {
    let pod = Pod::dev().await;
    let mut client = pod.connect().await;
    client.join("1", "room:1").await;
    pod.broadcast("room:1", "e", &serde_json::json!({})).await;
    client.next().await;
    client.close().await;
    pod
}
