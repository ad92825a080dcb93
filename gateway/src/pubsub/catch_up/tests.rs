//! Catching up, from a store that answers when the test lets it.

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::super::backend::{Asked, Backend, Publish, Sink, Stamp};
use super::super::histories::Histories;
use super::super::idempotency::Acceptance;
use super::super::message::{Broadcast, Control, Delivery, LetterHandler, Subscriber, SubscriberId};
use super::super::metrics::Metrics;
use super::super::publication::Publication;
use super::super::testing::{Collector, policy};
use super::super::topics::Hold;
use super::*;
use crate::history::{Epoch, Reading, StoreUnavailable};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::outbox::{Budget, Outbox, Packet};
use crate::wire::{Outgoing, Payload, Vsn};

type Answer = Result<Option<Page<Raw>>, StoreUnavailable>;

/// Readings that nobody has answered yet.
#[derive(Default)]
struct Slow(Mutex<Vec<(Read, oneshot::Sender<Answer>)>>);

impl Store for Slow {
    fn read(&self, _topic: &Arc<str>, read: Read) -> Reading {
        let (answer, reading) = oneshot::channel();
        self.0.lock().push((read, answer));
        Box::pin(async move { reading.await.unwrap() })
    }
}

impl Slow {
    /// Waits for a reading, and answers it.
    async fn answer(&self, answer: impl FnOnce(&Read) -> Answer) {
        let (read, sender) = loop {
            if let Some(asked) = self.0.lock().pop() {
                break asked;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        sender.send(answer(&read)).unwrap();
        // The task that waits for it runs before this goes on.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A backend that has everything at once, and notes what it waits for no longer.
#[derive(Default)]
struct Notes(Mutex<Vec<u64>>);

impl Backend for Notes {
    fn subscribe(&self, _topic: &Arc<str>, _kept: bool) -> bool {
        true
    }

    fn unsubscribe(&self, _topic: &Arc<str>, _kept: bool) {}

    fn publish(&self, _publish: Publish) -> Publication {
        Publication::ready(Ok(Acceptance::New))
    }

    fn dealt_with(&self, _topic: &str, stamp: &Stamp) {
        self.0.lock().push(stamp.sequence);
    }

    fn control(&self, _control: Control) -> Publication {
        Publication::ready(Ok(Acceptance::New))
    }

    fn open_letters(&self, _handler: LetterHandler) {}

    fn send_letter<'a>(&'a self, _to: &'a NodeId, _letter: Bytes) -> Asked<'a, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn shared_secret<'a>(&'a self, _purpose: &'a str, proposal: Bytes) -> Asked<'a, Bytes> {
        Box::pin(std::future::ready(Ok(proposal)))
    }

    fn is_hopeless(&self, _topic: &str) -> bool {
        false
    }
}

struct Fixture {
    topics: Arc<Topics>,
    store: Arc<Slow>,
    notes: Arc<Notes>,
    tasks: Tasks,
}

fn fixture() -> Fixture {
    let (store, notes, tasks) = (Arc::new(Slow::default()), Arc::new(Notes::default()), Tasks::new());
    let topics = Arc::new_cyclic(|topics| {
        let histories = Histories::new(policy(), store.clone(), NodeId::from("node"), Some(tasks.clone()));
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Topics::new(notes.clone(), Arc::new(|_, _| {}), metrics, Duration::from_secs(3), Some(histories), topics)
    });
    Fixture { topics, store, notes, tasks }
}

fn at(offset: u64) -> Position {
    Position { epoch: Epoch::from("epoch"), offset }
}

fn page(offset: u64, messages: impl IntoIterator<Item = u64>) -> Answer {
    page_with(offset, messages, &Payload::empty())
}

fn page_with(offset: u64, messages: impl IntoIterator<Item = u64>, payload: &Payload) -> Answer {
    let raw = |offset: u64| {
        let (topic, event) = ("h:1".into(), format!("e{offset}").into());
        let broadcast = Broadcast { topic, event, payload: payload.clone(), exclude: None };
        Raw { offset, bytes: envelope::encode(&NodeId::from("node"), 100 + offset, &broadcast).into() }
    };
    Ok(Some(Page { position: at(offset), first: Some(1), messages: messages.into_iter().map(raw).collect() }))
}

impl Fixture {
    fn hear(&self, offset: u64) -> Taken {
        self.hear_with(offset, Payload::empty())
    }

    fn hear_with(&self, offset: u64, payload: Payload) -> Taken {
        let stamp = Some(Stamp { node: NodeId::from("node"), sequence: 100 + offset });
        let kept = Some(Kept { epoch: "epoch", offset });
        let event = format!("e{offset}").into();
        self.topics.received(&Inbound { topic: "h:1", event, payload, exclude: None, stamp, kept })
    }

    /// A subscriber of a topic that is at the start.
    async fn listener(&self) -> (Hold, Arc<Collector>) {
        let (hold, waiting) = self.topics.declare("h:1");
        self.store.answer(|_| page(0, [])).await;
        waiting.unwrap().await.unwrap().unwrap();
        let collector = Arc::new(Collector::default());
        let delivery = Delivery::Receiver(collector.clone());
        hold.entry().state.lock().add(Subscriber { id: SubscriberId(1), delivery }.into());
        (hold, collector)
    }
}

fn offsets(collector: &Collector) -> Vec<u64> {
    collector.offsets().into_iter().map(|(_, offset)| offset.unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_interest_waits_until_it_is_known_where_the_topic_is() {
    let fixture = fixture();
    let (hold, mut waiting) = fixture.topics.declare("h:1");
    let (_another, mut also) = fixture.topics.declare("h:1");
    let waiting = waiting.as_mut().unwrap();
    assert!(waiting.now_or_never().is_none());
    assert!(fixture.topics.hosted("h:1").0.is_none(), "what is published now does not come back");
    assert_eq!(fixture.hear(7), Taken::Waits);
    let first = |read: &Read| {
        assert_eq!((read.epoch.as_ref(), read.renew.is_some()), (None, true));
        page(6, [])
    };
    fixture.store.answer(first).await;
    assert!(waiting.now_or_never().is_some() && also.as_mut().unwrap().now_or_never().is_some());
    assert_eq!(hold.entry().position(), Some(at(6)));
    assert!(fixture.topics.hosted("h:1").0.is_some());
    // What came meanwhile is asked for.
    fixture.store.answer(|read| page(7, read.after + 1..=7)).await;
    assert_eq!(hold.entry().position(), Some(at(7)));
    assert!(fixture.store.0.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_a_slow_store_but_what_is_behind_the_gap() {
    let fixture = fixture();
    let (_hold, collector) = fixture.listener().await;
    assert_eq!((fixture.hear(1), fixture.hear(3), fixture.hear(4)), (Taken::Done, Taken::Waits, Taken::Waits));
    let (_other, waiting) = fixture.topics.declare("t");
    assert!(waiting.is_none(), "another topic has nothing to do with it");
    assert_eq!(offsets(&collector), [1]);
    fixture.store.answer(|read| page(4, read.after + 1..=2)).await;
    assert_eq!(offsets(&collector), [1, 2, 3, 4]);
    assert_eq!(*fixture.notes.0.lock(), [102, 103, 104], "they are not awaited any more");
    assert_eq!((fixture.hear(2), fixture.hear(5)), (Taken::Done, Taken::Done));
    assert_eq!(offsets(&collector), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_large_gap_costs_no_client_its_queue() {
    const COUNT: u64 = 640;
    let fixture = fixture();
    let (hold, collector) = fixture.listener().await;
    let outbox = Arc::new(Outbox::new(1 << 20, Budget::new(usize::MAX)));
    let delivery = Delivery::Fastlane { encoding: Vsn::V2.into(), outbox: outbox.clone(), lost: None };
    hold.entry().state.lock().add(Subscriber { id: SubscriberId(2), delivery }.into());
    // Four megabytes are missing, and behind them waits as much as may.
    let large = Payload::Json(format!(r#"{{"a":"{}"}}"#, "a".repeat(8 * 1024)).into());
    for offset in COUNT - 127..=COUNT {
        assert_eq!(fixture.hear_with(offset, large.clone()), Taken::Waits);
    }
    let store = fixture.store.clone();
    fixture.tasks.spawn_until_stop(async move {
        loop {
            let answer = |read: &Read| {
                assert!(read.limit.messages <= 32 && read.limit.bytes <= 128 * 1024, "{read:?}");
                page_with(COUNT, read.after + 1..=COUNT.min(read.after + 16), &large)
            };
            store.answer(answer).await;
        }
    });
    let (mut written, mut most) = (0, 0);
    for _ in 0..200 {
        // Its network is not the fastest.
        tokio::time::sleep(Duration::from_millis(60)).await;
        let queued = outbox.queued_bytes();
        most = most.max(queued);
        written += outbox.take(0).expect("its queue never overflows").packets.len();
        outbox.take(queued).unwrap();
    }
    fixture.tasks.stop();
    assert_eq!(u64::try_from(written), Ok(COUNT));
    assert_eq!(offsets(&collector), (1..=COUNT).collect::<Vec<_>>());
    assert!(most <= 640 * 1024, "{most}");
}

#[tokio::test(start_paused = true)]
async fn one_slow_client_does_not_hold_up_the_others() {
    let fixture = fixture();
    let (hold, collector) = fixture.listener().await;
    let outbox = Arc::new(Outbox::new(1000, Budget::new(usize::MAX)));
    let message = Outgoing::Broadcast { topic: "h:1", event: "e", payload: &Payload::empty(), offset: None };
    while outbox.queued_bytes() <= 250 {
        outbox.push(Packet::encode(Vsn::V2, message).unwrap()).unwrap();
    }
    for id in 2..2 + CROWD as u64 {
        let delivery = Delivery::Receiver(Arc::new(Collector::default()));
        hold.entry().state.lock().add(Subscriber { id: SubscriberId(id), delivery }.into());
    }
    let delivery = Delivery::Fastlane { encoding: Vsn::V2.into(), outbox, lost: None };
    hold.entry().state.lock().add(Subscriber { id: SubscriberId(100), delivery }.into());
    assert!(!hold.entry().is_crowded());
    fixture.hear(5);
    fixture.store.answer(|read| page(5, read.after + 1..=2)).await;
    fixture.hear(6);
    assert_eq!(offsets(&collector), [1, 2]);
    tokio::time::sleep(2 * PAUSE).await;
    fixture.store.answer(|read| page(6, read.after + 1..=4)).await;
    assert_eq!(offsets(&collector), [1, 2, 3, 4, 5, 6]);
    assert!(fixture.store.0.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again() {
    let fixture = fixture();
    let (_hold, collector) = fixture.listener().await;
    fixture.topics.interrupted("h:1");
    fixture.topics.subscribed("h:1");
    for _ in 0..3 {
        fixture.store.answer(|_| Err(StoreUnavailable)).await;
    }
    fixture.store.answer(|_| page(2, 1..=2)).await;
    assert_eq!(offsets(&collector), [1, 2]);
    fixture.topics.subscribed("h:1");
    fixture.topics.interrupted("h:1");
    fixture.store.answer(|_| Err(StoreUnavailable)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(fixture.store.0.lock().is_empty(), "it has to be received first");
    fixture.topics.subscribed("h:1");
    fixture.store.answer(|_| page(3, 3..=3)).await;
    assert_eq!(offsets(&collector), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_positions_of_hosted_topics_are_renewed() {
    let fixture = fixture();
    let (_hold, collector) = fixture.listener().await;
    fixture.tasks.spawn_until_stop(Topics::renew(Arc::downgrade(&fixture.topics)));
    tokio::time::sleep(EMPTY_RENEWAL - Duration::from_secs(1)).await;
    assert!(fixture.store.0.lock().is_empty());
    let renewal = |read: &Read| {
        assert_eq!((read.renew, read.after), (policy()("h:1"), 0));
        page(1, 1..=1)
    };
    fixture.store.answer(renewal).await;
    assert_eq!(offsets(&collector), [1], "and whatever was missed is found");
    tokio::time::sleep(2 * EMPTY_RENEWAL).await;
    assert!(fixture.store.0.lock().is_empty(), "what has a message is remembered for longer");
    let started = Instant::now();
    fixture.store.answer(|_| page(1, [])).await;
    assert!(started.elapsed() <= EMPTY_RENEWAL + Duration::from_secs(1), "{:?}", started.elapsed());
    fixture.tasks.stop();
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_read_does_not_keep_others_from_renewal() {
    let fixture = fixture();
    let (_hold, _collector) = fixture.listener().await;
    let (_other, waiting) = fixture.topics.declare("h:2");
    fixture.store.answer(|_| page(0, [])).await;
    waiting.unwrap().await.unwrap().unwrap();
    fixture.tasks.spawn_until_stop(Topics::renew(Arc::downgrade(&fixture.topics)));
    fixture.store.answer(|_| Err(StoreUnavailable)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fixture.store.0.lock().len(), 2, "the one is asked for again by its own task, and the other is renewed");
    fixture.tasks.stop();
}
