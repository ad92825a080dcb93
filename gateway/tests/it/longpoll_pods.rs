//! Long polling on two pods that share a Redis: any request may reach either (row 212).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::{Poller, ok, until};
use crate::two_pods::Pods;

/// At most, for a session whose pod has died: a second in which it is looked for, and what tests on a busy machine take.
const SOON: Duration = Duration::from_secs(5);

async fn pods(window: &str) -> Pods {
    let settings = format!("longpoll = true\nlongpoll_window = \"{window}\"\n[drain]\ntimeout = \"5s\"\n");
    Pods::start(&settings).await
}

/// The same session, by the other pod.
fn by(client: &Poller, pods: &Pods) -> Poller {
    Poller { address: if client.address == pods.a.public { pods.b.public } else { pods.a.public }, ..client.clone() }
}

#[tokio::test]
async fn row_212_a_session_is_served_by_any_pod() {
    let pods = pods("3s").await;
    let here = Poller::open(pods.a.public).await;
    let there = by(&here, &pods);
    there.join("1", "room:1").await;
    here.send(&[json!(["1", "2", "room:1", "say", { "n": 1 }])]).await;
    let said = json!([null, null, "room:1", "say", { "n": 1 }]);
    assert_eq!(there.messages(2).await, [said.clone(), ok("1", "2", "room:1")]);
    // A poll that waits at the other pod wakes, too.
    let (polled, ()) = tokio::join!(there.poll(), async {
        Poller::open(pods.b.public).await.join("1", "room:2").await;
        pods.b.broadcast("room:1", "say", &json!({ "n": 1 })).await;
    });
    assert_eq!(polled, (200, vec![said]));
    // One that finds nothing ends with its window, and one of either kind keeps the session.
    let began = Instant::now();
    assert_eq!(there.poll().await, (204, vec![]));
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(pods.a.metric("gateway_connections", "").await, 1.0);
}

#[tokio::test]
async fn nothing_is_lost_or_changed_in_order_when_requests_alternate() {
    const MESSAGES: u64 = 300;
    let pods = pods("2s").await;
    let client = Poller::open(pods.a.public).await;
    client.join("1", "room:1").await;
    let ways = [client.clone(), by(&client, &pods)];
    let sending = async {
        for n in 0..MESSAGES {
            let pod = if n % 2 == 0 { &pods.a } else { &pods.b };
            pod.broadcast("room:1", "say", &json!({ "n": n })).await;
        }
    };
    let receiving = async {
        let mut heard: Vec<Value> = Vec::new();
        for way in ways.iter().cycle() {
            let (status, messages) = way.poll().await;
            assert!(status == 200 || status == 204, "{status}");
            heard.extend(messages.into_iter().map(|message| message[4]["n"].clone()));
            if heard.len() as u64 >= MESSAGES {
                break;
            }
        }
        heard
    };
    let ((), heard) = tokio::join!(sending, receiving);
    assert_eq!(heard, (0..MESSAGES).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_whose_pod_was_killed_is_gone_soon() {
    let pods = pods("9s").await;
    let dead = Poller::open(pods.a.public).await;
    let client = by(&dead, &pods);
    client.join("1", "room:1").await;
    let began = Instant::now();
    // One request waits there when the pod dies, the others come later.
    let (waited, ()) = tokio::join!(client.poll(), async {
        Poller::open(pods.b.public).await.join("1", "room:2").await;
        pods.a.process.signal("-KILL");
    });
    assert_eq!(waited, (410, vec![]));
    assert_eq!(client.lines(&["[]".to_owned()]).await, 410);
    let answer = client.get().await.json();
    assert_eq!(answer["status"], 410);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let token = answer["token"].as_str().unwrap().to_owned();
    Poller { token, ..client }.join("2", "room:1").await;
}

#[tokio::test]
async fn a_session_whose_pod_stops_is_gone_at_once() {
    let pods = pods("9s").await;
    let stopped = Poller::open(pods.a.public).await;
    let client = by(&stopped, &pods);
    client.join("1", "room:1").await;
    let began = Instant::now();
    let (answer, ()) = tokio::join!(client.poll(), async {
        Poller::open(pods.b.public).await.join("1", "room:2").await;
        pods.a.process.signal("-TERM");
    });
    assert_eq!(answer, (410, vec![]));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// The pod that a poll waits at stops, and its session is elsewhere: it lives.
#[tokio::test]
async fn a_poll_that_waits_at_a_pod_that_stops_is_answered_and_loses_nothing() {
    let pods = pods("9s").await;
    let client = Poller::open(pods.a.public).await;
    client.join("1", "room:1").await;
    let there = by(&client, &pods);
    let (answer, ()) = tokio::join!(there.poll(), async {
        Poller::open(pods.b.public).await.join("1", "room:2").await;
        pods.b.process.signal("-TERM");
    });
    assert_eq!(answer, (204, vec![]));
    pods.a.broadcast("room:1", "say", &json!({ "n": 1 })).await;
    assert_eq!(client.messages(1).await, [json!([null, null, "room:1", "say", { "n": 1 }])]);
}

/// Redis forgets the secret with all else: the pods agree again, and sessions live on.
#[tokio::test]
async fn sessions_outlive_a_flush_of_redis() {
    let pods = pods("1s").await;
    let client = Poller::open(pods.a.public).await;
    client.join("1", "room:1").await;
    assert!(pods.redis.command(&["EXISTS", "gw:secret:longpoll"]).starts_with(":1"));
    pods.redis.command(&["FLUSHALL"]);
    by(&client, &pods).send(&[json!(["1", "2", "room:1", "say", {}])]).await;
    assert_eq!(client.messages(2).await.len(), 2);
}

/// While Redis is away, sessions wait as WebSockets do, at the pod that has them and at others.
#[tokio::test]
async fn a_short_outage_of_redis_ends_no_session() {
    let mut pods = pods("5s").await;
    let client = Poller::open(pods.a.public).await;
    client.join("1", "room:1").await;
    pods.redis.crash();
    let there = by(&client, &pods);
    let (polled, ()) = tokio::join!(there.get(), async {
        pods.redis.resume();
        pods.a.until_readyz(200).await;
        pods.a.until_metric("gateway_redis_up", "", |up| up > 0.0).await;
    });
    assert!([200, 204].contains(&polled.json()["status"].as_u64().unwrap()), "{polled:?}");
    // Heard by both again, whichever it reaches.
    until(async || there.lines(&["[\"1\",\"2\",\"room:1\",\"say\",{}]".to_owned()]).await == 200).await;
    assert!(!client.messages_until("say").await.is_empty());
}

/// Its client would take what comes later for all that there was.
#[tokio::test]
async fn an_answer_that_reaches_nobody_ends_the_session() {
    let pods = pods("3s").await;
    let (client, other) = (Poller::open(pods.a.public).await, Poller::open(pods.b.public).await);
    client.join("1", "room:1").await;
    let mut said = client.token.split('.').skip(1);
    let (owner, session) = (said.next().unwrap(), said.next().unwrap());
    let asker = other.token.split('.').nth(1).unwrap();
    let head =
        format!("1{{\"do\":\"answer\",\"from\":\"{owner}\",\"id\":999999,\"session\":\"{session}\",\"status\":200}}");
    let letter = format!("{head}\n[\"late\"]");
    assert_eq!(pods.redis.command(&["PUBLISH", &format!("gw:node:{asker}:m"), &letter]).trim(), ":1");
    until(async || pods.a.metric("gateway_disconnects_total", "client_gone").await == 1.0).await;
    pods.a.broadcast("room:1", "say", &json!({})).await;
    assert_eq!(client.poll().await, (410, vec![]));
}

/// Waits until a text has come so many times.
async fn hears(stream: &mut TcpStream, text: &str, times: usize) {
    let mut heard = Vec::new();
    while String::from_utf8_lossy(&heard).matches(text).count() < times {
        let read = timeout(SOON, stream.read_buf(&mut heard)).await.expect("nothing came").unwrap();
        assert!(read > 0, "closed");
    }
}

/// The balancer sends a poll again whose pod has died with the answer in its hands: what was in it is not passed over.
#[tokio::test]
async fn messages_that_another_pod_was_given_and_has_not_passed_on_end_the_session() {
    let pods = pods("3s").await;
    let [client, bystander] = [Poller::open(pods.a.public).await, Poller::open(pods.a.public).await];
    for poller in [&client, &bystander] {
        poller.join("1", "room:1").await;
    }
    // A pod that hears its letters, and passes nothing on.
    let mut ghost = TcpStream::connect(("127.0.0.1", pods.redis.port())).await.unwrap();
    ghost.write_all(b"SUBSCRIBE gw:node:ghost:m\r\n").await.unwrap();
    hears(&mut ghost, "subscribe", 1).await;
    for (poller, id, confirms) in [(&client, 7, true), (&bystander, 8, false)] {
        let mut said = poller.token.split('.').skip(1);
        let (owner, session) = (said.next().unwrap(), said.next().unwrap());
        let poll = json!({ "do": "poll", "from": "ghost", "id": id, "session": session, "confirms": confirms });
        let channel = format!("gw:node:{owner}:m");
        assert_eq!(pods.redis.command(&["PUBLISH", &channel, &format!("1{poll}\n")]).trim(), ":1");
    }
    pods.a.broadcast("room:1", "say", &json!({ "n": 1 })).await;
    hears(&mut ghost, "\"status\":200", 2).await;
    pods.a.broadcast("room:1", "say", &json!({ "n": 2 })).await;
    assert_eq!(client.poll().await, (410, vec![]));
    // An earlier release would never say so.
    assert_eq!(bystander.messages(1).await, [json!([null, null, "room:1", "say", { "n": 2 }])]);
}

/// Letters that no pod writes are dropped.
#[tokio::test]
async fn garbage_in_the_channel_of_a_node_hurts_nobody() {
    let pods = pods("1s").await;
    let client = Poller::open(pods.a.public).await;
    let node = client.token.split('.').nth(1).unwrap();
    let channel = format!("gw:node:{node}:m");
    for letter in ["", "1", "2{}\n", "1{\"do\":\"poll\",\"from\":\"x\",\"id\":1,\"session\":\"nobody\"}\n", "\u{0}"] {
        assert_eq!(pods.redis.command(&["PUBLISH", &channel, letter]).trim(), ":1", "{letter:?}");
    }
    by(&client, &pods).join("1", "room:1").await;
}
