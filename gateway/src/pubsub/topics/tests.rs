//! The life of a topic, against a backend that only writes down what it is told.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;

use super::super::backend::{Asked, Publish, Stamp};
use super::super::idempotency::Acceptance;
use super::super::message::LetterHandler;
use super::super::publication::Publication;
use super::*;
use crate::ids::NodeId;

const LINGER: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Notes {
    told: Mutex<Vec<String>>,
    hopeless: AtomicBool,
}

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock())
    }
}

impl Backend for Notes {
    fn subscribe(&self, topic: &Arc<str>, _kept: bool) -> bool {
        self.told.lock().push(format!("+{topic}"));
        false
    }

    fn unsubscribe(&self, topic: &Arc<str>, _kept: bool) {
        self.told.lock().push(format!("-{topic}"));
    }

    fn publish(&self, _publish: Publish) -> Publication {
        Publication::ready(Ok(Acceptance::New))
    }

    fn dealt_with(&self, _topic: &str, _stamp: &Stamp) {}

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
        self.hopeless.load(Ordering::Relaxed)
    }
}

fn table() -> (Arc<Topics>, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let topics = Topics::new(notes.clone(), Arc::new(|_, _| {}), metrics, LINGER, None, &Weak::new());
    (Arc::new(topics), notes)
}

type Outcome = Result<(), Unavailable>;

/// What somebody who waits has been told so far.
fn told(waiting: &mut Option<oneshot::Receiver<Outcome>>) -> Option<Outcome> {
    waiting.as_mut().and_then(FutureExt::now_or_never).map(Result::unwrap)
}

#[tokio::test(start_paused = true)]
async fn the_first_interest_subscribes_for_all() {
    let (topics, notes) = table();
    let (_first, mut one) = topics.declare("a");
    let (_second, mut two) = topics.declare("a");
    assert_eq!(notes.take(), ["+a"]);
    assert_eq!((told(&mut one), told(&mut two)), (None, None));
    topics.subscribed("a");
    assert_eq!((told(&mut one), told(&mut two)), (Some(Ok(())), Some(Ok(()))));
    let (_third, waiting) = topics.declare("a");
    assert!(waiting.is_none(), "it is live");
    assert!(notes.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_one_to_leave_starts_the_linger() {
    let (topics, notes) = table();
    let (first, _) = topics.declare("a");
    topics.subscribed("a");
    notes.take();
    drop(first);
    tokio::time::advance(LINGER / 2).await;
    topics.tick(Instant::now(), false);
    let (again, waiting) = topics.declare("a");
    assert!(waiting.is_none(), "who comes back finds it live");
    tokio::time::advance(LINGER).await;
    topics.tick(Instant::now(), false);
    assert!(notes.take().is_empty());
    drop(again);
    tokio::time::advance(LINGER / 2).await;
    topics.tick(Instant::now(), false);
    assert_eq!(topics.len(), 1, "the linger starts anew");
    tokio::time::advance(LINGER / 2).await;
    topics.tick(Instant::now(), false);
    assert_eq!(notes.take(), ["-a"]);
    assert_eq!((topics.len(), topics.idle.lock().len()), (0, 0));
    let (_new, waiting) = topics.declare("a");
    assert!(waiting.is_some());
    assert_eq!(notes.take(), ["+a"]);
}

#[tokio::test(start_paused = true)]
async fn a_publication_under_way_keeps_the_topic() {
    let (topics, notes) = table();
    assert!(topics.hosted("a").0.is_none(), "nobody hosts it");
    let (interest, _) = topics.declare("a");
    assert!(topics.hosted("a").0.is_none(), "it may not come back yet");
    topics.subscribed("a");
    let publication = topics.hosted("a").0.unwrap();
    drop(interest);
    tokio::time::advance(2 * LINGER).await;
    topics.tick(Instant::now(), false);
    assert_eq!(notes.take(), ["+a"]);
    drop(publication);
    tokio::time::advance(LINGER).await;
    topics.tick(Instant::now(), false);
    assert_eq!(notes.take(), ["-a"]);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_makes_newcomers_wait() {
    let (topics, notes) = table();
    let (_first, _) = topics.declare("a");
    topics.subscribed("a");
    topics.interrupted("a");
    let hold = topics.hosted("a").0.expect("still hosted");
    assert!(hold.is_interrupted());
    let (_second, mut waiting) = topics.declare("a");
    topics.tick(Instant::now(), true);
    assert_eq!(told(&mut waiting), None, "other topics are out, this one is not");
    notes.hopeless.store(true, Ordering::Relaxed);
    topics.tick(Instant::now(), true);
    assert_eq!(told(&mut waiting), Some(Err(Unavailable)));
    topics.subscribed("a");
    assert!(!hold.is_interrupted());
    assert!(topics.declare("a").1.is_none());
}

#[tokio::test(start_paused = true)]
async fn many_idle_topics_go_a_few_at_a_time_and_all() {
    let (topics, _) = table();
    let holds: Vec<_> = (0..1000).map(|n| topics.declare(&n.to_string())).collect();
    drop(holds);
    topics.tick(Instant::now(), false);
    assert_eq!(topics.len(), 1000);
    tokio::time::advance(LINGER).await;
    let _young: Vec<_> = (1000..1500).map(|n| drop(topics.declare(&n.to_string()))).collect();
    for _ in 0..20 {
        topics.tick(Instant::now(), false);
    }
    assert_eq!(topics.len(), 500);
}
