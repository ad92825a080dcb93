//! Replies that wait for Redis, which the embedded mode never does: the channels of one connection without a network.

mod history;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;

use super::client::Mail;
use super::*;
use crate::ids::NodeId;
use crate::outbox::{Budget, Outbox};
use crate::presence::Presence;
use crate::pubsub::{self, PubSub, Publication, PublishError};
use crate::wire::{Payload, Ref, Vsn};

/// Answers `later` when the next of these is settled, and everything else at once.
#[derive(Clone, Default)]
struct Deferring(Arc<Mutex<VecDeque<Publication>>>);

impl Channel for Deferring {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn handle_in(&mut self, event: &str, _payload: Payload, _cx: &mut Context) -> HandlerResult {
        match event {
            "later" => Ok(self.0.lock().pop_front().map_or(Outcome::NoReply, Outcome::ReplyAfter)),
            "stop" => Ok(Outcome::Stop(Some(Reply::error_reason("stopped")))),
            "crash" => Err(ChannelError::unknown_event(event)),
            _ => Ok(Outcome::ok()),
        }
    }
}

/// A connection that has joined `t` with join reference 1, as channel 0.
struct Connection {
    channels: Channels,
    client: Arc<Client>,
    outbox: Arc<Outbox>,
    publications: Deferring,
}

impl Connection {
    async fn joined() -> Self {
        let registry = prometheus::Registry::new();
        let metrics = pubsub::Metrics::register(&registry).unwrap();
        let pubsub = PubSub::memory(NodeId::random(), Arc::new(|_, _| {}), metrics, None);
        let outbox = Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)));
        let tasks = crate::lifecycle::Tasks::new();
        let metrics = crate::presence::Metrics::register(&registry).unwrap();
        let presence = Presence::memory(&pubsub, &crate::config::Presence::default(), metrics, &tasks);
        let metrics = Arc::new(ChannelMetrics::register(&registry).unwrap());
        let (endpoint, assigns) = (Endpoint::new(pubsub, presence, metrics), Assigns::default());
        let client = Client::new(None, assigns, Vsn::V2, Transport::WebSocket, endpoint, Arc::clone(&outbox), None);
        let client = Arc::new(client);
        let channels = Channels::new(Arc::clone(&client), 100, Duration::from_secs(5));
        let publications = Deferring::default();
        let made = publications.clone();
        let router = Router::new().channel("t", move || made.clone()).unwrap();
        let mut connection = Self { channels, client, outbox, publications };
        connection.channels.join(JoinRequest {
            seat: Seat::new(ChannelKey(0), "t", Ref::from("1"), &Ref::from("1")),
            route: Arc::clone(router.find("t").unwrap()),
            reference: Ref::from("1"),
            params: Payload::empty(),
            replaces: None,
        });
        assert_eq!(connection.sent().await, [ok("1")]);
        connection
    }

    fn message(&mut self, reference: &str, event: &str) {
        self.channels.message(ChannelKey(0), event.into(), Payload::empty(), Ref::from(reference));
    }

    /// A message whose reply waits until what is returned is called.
    fn deferred(&mut self, reference: &str) -> impl FnOnce(Result<(), PublishError>) + use<> {
        let (settle, publication) = Publication::pending();
        self.publications.0.lock().push_back(publication);
        self.message(reference, "later");
        settle
    }

    /// All that the channels do and write by now.
    async fn sent(&mut self) -> Vec<String> {
        // As a task that was woken: tokio lets it look at a bounded number of publications in one go.
        tokio::task::yield_now().await;
        poll_fn(|cx| {
            self.channels.poll(cx);
            Poll::Ready(())
        })
        .await;
        let packets = self.outbox.take(0).unwrap().packets;
        packets.iter().map(|packet| String::from_utf8_lossy(packet.payload()).into_owned()).collect()
    }
}

fn ok(reference: &str) -> String {
    format!(r#"["1","{reference}","t","phx_reply",{{"status":"ok","response":{{}}}}]"#)
}

fn error(reference: &str, reason: &str) -> String {
    format!(r#"["1","{reference}","t","phx_reply",{{"status":"error","response":{{"reason":"{reason}"}}}}]"#)
}

const CLOSED: &str = r#"["1","1","t","phx_close",{}]"#;
const CRASHED: &str = r#"["1","1","t","phx_error",{"reason":"channel_crash"}]"#;

#[tokio::test]
async fn replies_keep_their_order_whenever_their_publications_settle() {
    let mut connection = Connection::joined().await;
    let second = connection.deferred("2");
    connection.message("3", "now");
    let fourth = connection.deferred("4");
    assert!(connection.sent().await.is_empty());
    fourth(Ok(()));
    assert!(connection.sent().await.is_empty());
    second(Ok(()));
    assert_eq!(connection.sent().await, [ok("2"), ok("3"), ok("4")]);
    connection.message("5", "now");
    assert_eq!(connection.sent().await, [ok("5")]);
}

#[tokio::test]
async fn a_publication_that_fails_is_answered_in_its_place() {
    let mut connection = Connection::joined().await;
    let second = connection.deferred("2");
    let third = connection.deferred("3");
    third(Ok(()));
    second(Err(PublishError::Unavailable));
    assert_eq!(connection.sent().await, [error("2", "unavailable"), ok("3")]);
}

#[tokio::test]
async fn a_leave_waits_for_the_replies_before_it() {
    let mut connection = Connection::joined().await;
    let second = connection.deferred("2");
    connection.channels.leave(ChannelKey(0), Ref::from("3"));
    assert!(connection.sent().await.is_empty());
    second(Ok(()));
    assert_eq!(connection.sent().await, [ok("2"), ok("3"), CLOSED.to_owned()]);
    assert!(connection.channels.is_empty());
}

#[tokio::test]
async fn a_stop_waits_for_the_replies_before_it_and_nothing_behind_it_is_handled() {
    let mut connection = Connection::joined().await;
    let second = connection.deferred("2");
    connection.message("3", "stop");
    connection.message("4", "now");
    assert!(connection.sent().await.is_empty());
    connection.message("5", "now");
    second(Ok(()));
    assert_eq!(connection.sent().await, [ok("2"), error("3", "stopped"), CLOSED.to_owned()]);
    assert!(connection.channels.is_empty());
}

#[tokio::test]
async fn a_crash_waits_for_nothing() {
    let mut connection = Connection::joined().await;
    let second = connection.deferred("2");
    connection.message("3", "crash");
    assert_eq!(connection.sent().await, [CRASHED]);
    second(Ok(()));
    assert!(connection.sent().await.is_empty());
}

#[tokio::test]
async fn no_more_than_64_replies_are_outstanding_and_then_the_client_is_not_read() {
    let mut connection = Connection::joined().await;
    let mut settles: Vec<_> = (0..130).map(|n| connection.deferred(&n.to_string())).collect();
    assert!(connection.sent().await.is_empty());
    assert_eq!(connection.publications.0.lock().len(), 130 - 64);
    assert!(connection.channels.is_congested());
    settles.remove(0)(Ok(()));
    assert_eq!(connection.sent().await, [ok("0")]);
    assert_eq!(connection.publications.0.lock().len(), 130 - 65);
    let rest = settles.split_off(63);
    settles.into_iter().for_each(|settle| settle(Ok(())));
    assert_eq!(connection.sent().await, (1..64).map(|n| ok(&n.to_string())).collect::<Vec<_>>());
    rest.into_iter().for_each(|settle| settle(Ok(())));
    assert_eq!(connection.sent().await, (64..130).map(|n| ok(&n.to_string())).collect::<Vec<_>>());
    assert!(!connection.channels.is_congested());
}

/// Never ends by itself.
struct Endless;

impl Channel for Endless {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn terminate(&mut self, _reason: Ended, _cx: &mut Context) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn who_joins_again_faster_than_its_old_channels_end_is_not_read() {
    let mut connection = Connection::joined().await;
    let router = Router::new().channel("endless", || Endless).unwrap();
    for number in 1..=200 {
        assert!(!connection.channels.is_congested(), "after {number} joins");
        connection.channels.join(JoinRequest {
            seat: Seat::new(ChannelKey(number), "endless", Ref::Null, &Ref::Null),
            route: Arc::clone(router.find("endless").unwrap()),
            reference: Ref::Null,
            params: Payload::empty(),
            replaces: None,
        });
        connection.sent().await;
        connection.channels.replace(ChannelKey(number));
        if number == 164 {
            break;
        }
    }
    connection.sent().await;
    assert!(connection.channels.is_congested(), "100 joined and 64 ending are the limit");
}

#[tokio::test]
async fn what_is_sent_after_the_connection_is_gone_is_dropped() {
    let connection = Connection::joined().await;
    let (before, after) = (Arc::new(()), Arc::new(()));
    let client = &connection.client;
    client.send(ChannelKey(0), Mail::Info(Info::new(Arc::clone(&before))));
    assert_eq!(Arc::strong_count(&before), 2);
    client.close();
    client.send(ChannelKey(0), Mail::Info(Info::new(Arc::clone(&after))));
    assert_eq!((Arc::strong_count(&before), Arc::strong_count(&after)), (1, 1));
    assert_eq!(connection.outbox.queued_bytes(), 0);
    assert!(connection.outbox.take(0).is_err());
}
