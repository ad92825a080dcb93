//! What every store must do, wherever the streams are. Each implementation runs all of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::page::{Limit, Page, Raw};
use super::position::{Epoch, Retention};
use super::store::{Read, Store};

/// Appends a message, as whoever publishes does.
type Append = Box<dyn Fn(&str, Retention, Bytes) -> Pin<Box<dyn Future<Output = ()>>>>;

/// A store, and a way to fill it.
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) append: Append,
    /// What it needs to live.
    pub(super) _keep: Box<dyn std::any::Any>,
}

const LIMIT: Limit = Limit { messages: 100, bytes: 1 << 20 };

fn retention(size: u32) -> Retention {
    Retention::new(size, Duration::from_secs(60))
}

impl Fixture {
    async fn append(&self, topic: &str, retention: Retention, messages: std::ops::RangeInclusive<u32>) {
        for message in messages {
            (self.append)(topic, retention, Bytes::from(format!("m{message}"))).await;
        }
    }

    async fn read(&self, topic: &str, read: Read) -> Option<Page<Raw>> {
        self.store.read(&topic.into(), read).await.unwrap()
    }

    /// Without changing anything.
    async fn look(&self, topic: &str, after: u64, limit: Limit) -> Option<Page<Raw>> {
        self.read(topic, Read { after, epoch: None, limit, renew: None }).await
    }
}

fn offsets(page: &Page<Raw>) -> Vec<u64> {
    for Raw { offset, bytes } in &page.messages {
        assert!(bytes.is_empty() || *bytes == format!("m{offset}") || bytes.len() > 100);
    }
    page.messages.iter().map(|message| message.offset).collect()
}

/// Makes one test of each rule.
macro_rules! suite {
    ($fixture:expr) => {
        crate::history::contract::suite!($fixture;
            messages_are_numbered_from_one, a_page_is_bounded, the_oldest_go_when_there_are_too_many,
            who_looks_begins_nothing, of_another_epoch_all_is_read, messages_expire_and_the_position_stays,
            topics_are_apart, any_bytes_are_kept);
    };
    ($fixture:expr; $($rule:ident),*) => {
        $(#[tokio::test] async fn $rule() { crate::history::contract::$rule($fixture.await).await; })*
    };
}
pub(super) use suite;

pub(super) async fn messages_are_numbered_from_one(store: Fixture) {
    store.append("t", retention(10), 1..=5).await;
    let page = store.look("t", 0, LIMIT).await.unwrap();
    assert_eq!((offsets(&page), page.position.offset, page.first), (vec![1, 2, 3, 4, 5], 5, Some(1)));
    let page = store.look("t", 3, LIMIT).await.unwrap();
    assert_eq!((offsets(&page), page.position.offset, page.first), (vec![4, 5], 5, Some(1)));
    for after in [5, 6, u64::MAX] {
        let page = store.look("t", after, LIMIT).await.unwrap();
        assert_eq!((offsets(&page), page.position.offset), (vec![], 5));
    }
}

pub(super) async fn a_page_is_bounded(store: Fixture) {
    store.append("t", retention(100), 1..=50).await;
    let page = store.look("t", 2, Limit { messages: 33, bytes: 1 << 20 }).await.unwrap();
    assert_eq!(offsets(&page), (3..=35).collect::<Vec<_>>());
    assert_eq!(page.position.offset, 50);
    let page = store.look("t", 10, Limit { messages: 33, bytes: 10 }).await.unwrap();
    assert_eq!(offsets(&page), [11, 12, 13]);
    (store.append)("t", retention(100), Bytes::from(vec![0; 1000])).await;
    let page = store.look("t", 50, Limit { messages: 1, bytes: 1 }).await.unwrap();
    assert_eq!(offsets(&page), [51], "the first one comes whatever its size");
    let page = store.look("t", 49, LIMIT).await.unwrap();
    assert_eq!(offsets(&page), [50, 51]);
}

pub(super) async fn the_oldest_go_when_there_are_too_many(store: Fixture) {
    store.append("t", retention(3), 1..=7).await;
    let page = store.look("t", 1, LIMIT).await.unwrap();
    assert_eq!((offsets(&page), page.first, page.position.offset), (vec![5, 6, 7], Some(5), 7));
    store.append("t", retention(1), 8..=8).await;
    let page = store.look("t", 0, LIMIT).await.unwrap();
    assert_eq!((offsets(&page), page.first), (vec![8], Some(8)), "the retention may change");
    store.append("t", retention(2), 9..=10).await;
    assert_eq!(offsets(&store.look("t", 0, LIMIT).await.unwrap()), [9, 10]);
}

pub(super) async fn who_looks_begins_nothing(store: Fixture) {
    assert_eq!(store.look("t", 0, LIMIT).await, None);
    let begin = Read { after: u64::MAX, epoch: None, limit: LIMIT, renew: Some(retention(10)) };
    let begun = store.read("t", begin.clone()).await.unwrap();
    assert_eq!((begun.position.offset, begun.first), (0, None));
    let again = store.read("t", begin).await.unwrap();
    assert_eq!(again.position, begun.position, "it goes on");
    store.append("t", retention(10), 1..=1).await;
    let page = store.look("t", 0, LIMIT).await.unwrap();
    assert_eq!((&page.position.epoch, offsets(&page)), (&begun.position.epoch, vec![1]));
}

pub(super) async fn of_another_epoch_all_is_read(store: Fixture) {
    store.append("t", retention(10), 1..=5).await;
    let read = |epoch: &Epoch| Read { after: 3, epoch: Some(epoch.clone()), limit: LIMIT, renew: Some(retention(10)) };
    let page = store.read("t", read(&Epoch::random())).await.unwrap();
    assert_eq!(offsets(&page), [1, 2, 3, 4, 5]);
    let page = store.read("t", read(&page.position.epoch)).await.unwrap();
    assert_eq!(offsets(&page), [4, 5]);
}

pub(super) async fn messages_expire_and_the_position_stays(store: Fixture) {
    store.append("t", Retention::new(10, Duration::from_millis(50)), 1..=5).await;
    let position = store.look("t", 0, LIMIT).await.unwrap().position;
    let expired = async {
        loop {
            let page = store.look("t", 0, LIMIT).await.unwrap();
            if page.first.is_none() {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let page = tokio::time::timeout(Duration::from_secs(10), expired).await.unwrap();
    assert_eq!((offsets(&page), &page.position), (vec![], &position));
    store.append("t", retention(10), 6..=6).await;
    let page = store.look("t", 0, LIMIT).await.unwrap();
    assert_eq!((offsets(&page), page.first, &page.position.epoch), (vec![6], Some(6), &position.epoch));
}

pub(super) async fn topics_are_apart(store: Fixture) {
    store.append("a", retention(10), 1..=2).await;
    store.append("b{}", retention(10), 1..=1).await;
    let (a, b) = (store.look("a", 0, LIMIT).await.unwrap(), store.look("b{}", 0, LIMIT).await.unwrap());
    assert_eq!((offsets(&a), offsets(&b)), (vec![1, 2], vec![1]));
    assert_ne!(a.position.epoch, b.position.epoch);
    assert_eq!(store.look("c", 0, LIMIT).await, None);
}

pub(super) async fn any_bytes_are_kept(store: Fixture) {
    let all: Bytes = (0..=255).collect::<Vec<u8>>().into();
    (store.append)("t", retention(10), all.clone()).await;
    (store.append)("t", retention(10), Bytes::new()).await;
    let page = store.look("t", 0, LIMIT).await.unwrap();
    let bytes: Vec<_> = page.messages.iter().map(|message| &message.bytes).collect();
    assert_eq!(bytes, [&all, &Bytes::new()]);
}
