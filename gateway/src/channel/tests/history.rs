//! A channel whose topic keeps a history and that intercepts some of its events, without a network.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::histories::policy;
use super::super::*;
use crate::history::Retention;
use crate::ids::NodeId;
use crate::outbox::{Budget, Outbox};
use crate::presence::Presence;
use crate::pubsub::{self, PubSub};
use crate::wire::{Encoding, Payload, Ref, Vsn};

/// Handles `held` when the test says so, and stops when its client is renewed.
struct Gated(Arc<Semaphore>);

impl Channel for Gated {
    fn intercept() -> &'static [&'static str] {
        &["held", "two", "failing", "stop"]
    }

    fn history() -> Option<Retention> {
        Some(Retention::new(5000, Duration::from_secs(60)))
    }

    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.push("welcome", Payload::empty())?;
        Ok(Outcome::NoReply)
    }

    async fn handle_out(&mut self, event: &str, _payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "held" => {
                self.0.acquire().await?.forget();
                cx.push("seen", Payload::empty())?;
            }
            "two" => {
                cx.push("first", Payload::empty())?;
                cx.push("second", Payload::empty())?;
            }
            "stop" => return Ok(Outcome::Stop(None)),
            _ => {
                cx.push("half", Payload::empty())?;
                return Err(ChannelError::unknown_event(event));
            }
        }
        Ok(Outcome::NoReply)
    }

    async fn handle_info(&mut self, info: Info, _cx: &mut Context) -> HandlerResult {
        Ok(if info.downcast_ref::<Renewed>().is_some() { Outcome::Stop(None) } else { Outcome::NoReply })
    }
}

/// A pod with one topic, `t`, of which connections are made.
struct Pod {
    endpoint: Endpoint,
    router: Router,
    metrics: Arc<ChannelMetrics>,
    gate: Arc<Semaphore>,
}

impl Pod {
    fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let made = Arc::clone(&gate);
        let router = Router::new().channel("t", move || Gated(Arc::clone(&made))).unwrap();
        let registry = prometheus::Registry::new();
        let metrics = pubsub::Metrics::register(&registry).unwrap();
        let pubsub = PubSub::memory(NodeId::random(), Arc::new(|_, _| {}), metrics, policy([&router].into_iter()));
        let (config, metrics) = (crate::config::Presence::default(), presence_metrics(&registry));
        let presence = Presence::memory(&pubsub, &config, metrics, &crate::lifecycle::Tasks::new());
        let metrics = Arc::new(ChannelMetrics::register(&registry).unwrap());
        Self { endpoint: Endpoint::new(pubsub, presence, Arc::clone(&metrics)), router, metrics, gate }
    }

    async fn publish(&self, event: &str) {
        self.endpoint.broadcast("t", event, Payload::empty()).await.unwrap();
    }

    /// A client that is told offsets joins with these params. Its queue takes so many bytes.
    fn join(&self, params: &Value, limit: usize) -> Connection {
        let outbox = Arc::new(Outbox::new(limit, Budget::new(usize::MAX)));
        let encoding = Encoding { offsets: true, ..Encoding::from(Vsn::V2) };
        let (endpoint, assigns) = (self.endpoint.clone(), Assigns::default());
        let client = Client::new(None, assigns, encoding, Transport::WebSocket, endpoint, Arc::clone(&outbox), None);
        let client = Arc::new(client);
        let mut channels = Channels::new(Arc::clone(&client), 100, Duration::from_secs(5));
        channels.join(JoinRequest {
            seat: Seat::new(ChannelKey(0), "t", Ref::from("1"), &Ref::from("1")),
            route: Arc::clone(self.router.find("t").unwrap()),
            reference: Ref::from("1"),
            params: Payload::json(params).unwrap(),
            replaces: None,
        });
        Connection { channels, client, outbox }
    }

    /// One that comes back and has had nothing yet.
    async fn late(&self, limit: usize) -> Connection {
        let mut asking = self.join(&json!({ "recover": true }), 1 << 20);
        asking.poll().await;
        let packets = asking.outbox.take(asking.outbox.queued_bytes()).unwrap().packets;
        let reply: Value = serde_json::from_slice(packets.iter().next().unwrap().payload()).unwrap();
        let epoch = &reply[4]["response"]["recovery"]["epoch"];
        self.join(&json!({ "recover": { "epoch": epoch, "offset": 0 } }), limit)
    }

    /// One that follows the topic from now on.
    async fn follower(&self) -> Connection {
        let mut connection = self.join(&json!({ "recover": true }), 1 << 20);
        assert_eq!(connection.sent().await, ["phx_reply", "welcome"]);
        connection
    }
}

fn presence_metrics(registry: &prometheus::Registry) -> crate::presence::Metrics {
    crate::presence::Metrics::register(registry).unwrap()
}

struct Connection {
    channels: Channels,
    client: Arc<Client>,
    outbox: Arc<Outbox>,
}

impl Connection {
    /// All that the channel does and writes by now: the events, behind their offsets where they have one.
    async fn sent(&mut self) -> Vec<String> {
        self.poll().await;
        self.queued()
    }

    /// As its task does when it is woken.
    async fn poll(&mut self) {
        tokio::task::yield_now().await;
        self.channels.collect_mail();
        poll_fn(|cx| {
            self.channels.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// What is written without the channel.
    fn queued(&self) -> Vec<String> {
        let packets = self.outbox.take(self.outbox.queued_bytes()).unwrap().packets;
        packets
            .iter()
            .map(|packet| {
                let frame: Value = serde_json::from_slice(packet.payload()).unwrap();
                let (reference, event) = (frame[1].as_str().unwrap_or_default(), frame[3].as_str().unwrap());
                reference.strip_prefix("o:").map_or_else(|| event.to_owned(), |offset| format!("{offset} {event}"))
            })
            .collect()
    }
}

#[tokio::test]
async fn what_follows_an_intercepted_message_waits_for_it() {
    let pod = Pod::new();
    let mut client = pod.follower().await;
    for event in ["plain", "held", "plain", "held"] {
        pod.publish(event).await;
    }
    assert_eq!(client.sent().await, ["1 plain"]);
    pod.gate.add_permits(1);
    assert_eq!(client.sent().await, ["2 seen", "3 plain"]);
    pod.publish("plain").await;
    assert!(client.sent().await.is_empty());
    pod.gate.add_permits(1);
    assert_eq!(client.sent().await, ["4 seen", "5 plain"]);
    pod.publish("plain").await;
    assert_eq!(client.queued(), ["6 plain"], "with nothing before it, it goes straight to the connection");
}

#[tokio::test]
async fn only_the_last_push_for_a_message_carries_its_offset() {
    let pod = Pod::new();
    let mut client = pod.follower().await;
    pod.publish("two").await;
    pod.publish("failing").await;
    pod.publish("plain").await;
    assert_eq!(client.sent().await, ["first", "1 second", "half", "phx_error"], "what failed was not had");
}

#[tokio::test]
async fn when_more_comes_than_it_handles_nothing_passes_what_is_dropped() {
    let pod = Pod::new();
    let mut client = pod.follower().await;
    pod.publish("held").await;
    assert!(client.sent().await.is_empty());
    for _ in 0..1200 {
        pod.publish("plain").await;
    }
    assert_eq!(client.sent().await, ["phx_error"]);

    let mut client = pod.follower().await;
    for _ in 0..1200 {
        client.client.inform(ChannelKey(0), Info::new(()));
    }
    pod.publish("held").await;
    pod.publish("plain").await;
    assert_eq!(client.sent().await, ["phx_error"]);
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_what_it_missed_is_closed_as_one_that_reads_too_slowly() {
    let pod = Pod::new();
    for _ in 0..200 {
        pod.publish("plain").await;
    }
    let (mut idle, mut slow) = (pod.late(4096).await, pod.late(4096).await);
    for _ in 0..3 {
        idle.poll().await;
        assert!(idle.outbox.queued_bytes() > 0);
        assert!(!slow.sent().await.is_empty());
        tokio::time::sleep(Duration::from_secs(14)).await;
    }
    idle.poll().await;
    assert!(idle.outbox.take(0).is_err());
    assert!(!slow.sent().await.is_empty());
}

#[tokio::test]
async fn a_missed_message_that_the_channel_fails_on_is_left_out() {
    let pod = Pod::new();
    for event in ["plain", "failing", "plain"] {
        pod.publish(event).await;
    }
    let mut client = pod.late(1 << 20).await;
    assert_eq!(client.sent().await, ["phx_reply", "1 plain", "half", "3 plain", "welcome"]);
    assert_eq!((pod.metrics.skipped.get(), pod.metrics.crashes.get()), (1, 0));
}

#[tokio::test]
async fn a_stop_ends_what_is_replayed() {
    let pod = Pod::new();
    for event in ["plain", "stop", "plain"] {
        pod.publish(event).await;
    }
    let mut client = pod.late(1 << 20).await;
    assert_eq!(client.sent().await, ["phx_reply", "1 plain", "phx_close"]);
    assert!(client.channels.is_empty());
}

#[tokio::test]
async fn who_lost_its_rights_gets_no_more_of_what_it_missed() {
    let pod = Pod::new();
    for event in ["plain", "held", "plain"] {
        pod.publish(event).await;
    }
    let mut client = pod.late(1 << 20).await;
    assert_eq!(client.sent().await, ["phx_reply", "1 plain"]);
    client.channels.message(ChannelKey(0), "waits".into(), Payload::empty(), Ref::from("2"));
    client.client.renew_until(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX)));
    assert!(client.sent().await.is_empty());
    pod.gate.add_permits(1);
    assert_eq!(client.sent().await, ["2 seen", "phx_close"]);
    assert!(client.channels.is_empty());
}
