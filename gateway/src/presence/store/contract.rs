//! What every store must do. Each implementation expands [`suite!`] with the expression that makes one.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Events, Reap, Store, StoreError};
use crate::ids::NodeId;
use crate::presence::model::PhxRef;
use crate::presence::record::{Delta, Epoch, Position, Reading, Record, RecordId, Snapshot, Write, Written};

/// Keeps the topics that were reported.
#[derive(Default)]
pub(in crate::presence) struct Recorder {
    changed: Mutex<Vec<String>>,
    news: Notify,
}

impl Recorder {
    /// What was reported until now.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.changed.lock())
    }
}

impl Events for Recorder {
    fn changed(&self, topic: &str) {
        self.changed.lock().push(topic.to_owned());
        self.news.notify_one();
    }

    fn deaf(&self) {}

    fn beat(&self) {}

    fn lost(&self, _set_back: bool) {}

    fn reborn(&self) {}
}

/// A store, and what it reports.
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    /// Another node's way to the same data.
    pub(super) other: Arc<dyn Store>,
    /// The other node.
    pub(super) dead: NodeId,
    pub(super) events: Arc<Recorder>,
    /// What has to live as long.
    pub(super) _owner: Box<dyn Send>,
}

impl Fixture {
    async fn heard(&self, topic: &str) {
        let heard = async {
            while !self.events.changed.lock().iter().any(|changed| changed == topic) {
                self.events.news.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard).await.expect("soon");
        self.events.changed.lock().clear();
    }

    async fn write(&self, epoch: Option<&Epoch>, drop: &[Record], put: &[Record]) -> Result<Epoch, StoreError> {
        self.claim(epoch, drop, put, &[]).await.map(|written| written.epoch)
    }

    async fn claim(
        &self,
        epoch: Option<&Epoch>,
        drop: &[Record],
        put: &[Record],
        claims: &[PhxRef],
    ) -> Result<Written, StoreError> {
        let drop = drop.iter().map(|record| record.id.clone()).collect();
        let (complete, delta) = (epoch.is_none(), Delta { drop, put: put.to_vec() });
        let (node, epoch, claims) = (self.store.node(), epoch.cloned(), claims.to_vec());
        self.store.write("t", &Write { node, epoch, complete, delta, claims }).await
    }

    async fn snapshot(&self) -> Snapshot {
        match self.store.read("t", None).await.unwrap() {
            Reading::Snapshot(mut snapshot) => {
                snapshot.records.sort_by(|a, b| a.id.cmp(&b.id));
                snapshot
            }
            other => panic!("{other:?}"),
        }
    }

    async fn position(&self) -> Position {
        self.snapshot().await.position.unwrap()
    }

    fn record(&self, phx_ref: &str, key: &str) -> Record {
        let id = RecordId { node: self.store.node(), phx_ref: phx_ref.into() };
        Record { id, key: key.into(), meta: r#"{"name":"é \"1\""}"#.into(), until: None }
    }
}

pub(super) async fn what_is_written_is_read(store: Fixture) {
    assert_eq!(store.snapshot().await, Snapshot::default());
    let (one, two) = (store.record("r1", "u1"), store.record("r2", "a \"key\" {é}"));
    store.write(None, &[], &[one.clone(), two.clone()]).await.unwrap();
    let snapshot = store.snapshot().await;
    assert_eq!(snapshot.records, [one.clone(), two.clone()]);
    assert_eq!(snapshot.complete, [store.store.node()]);
    let mut listed = store.store.list("t").await.unwrap();
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(listed, [one, two]);
    assert!(store.store.list("other").await.unwrap().is_empty());
}

pub(super) async fn changes_are_read_since_a_position(store: Fixture) {
    let records: Vec<Record> = (0..3).map(|n| store.record(&format!("r{n}"), "u")).collect();
    let epoch = store.write(None, &[], &records[..1]).await.unwrap();
    let first = store.position().await;
    assert_eq!(first.epoch, epoch);
    assert_eq!(store.store.read("t", Some(&first)).await.unwrap(), Reading::Same);
    store.write(Some(&epoch), &[], &records[1..2]).await.unwrap();
    store.write(Some(&epoch), &records[..1], &records[2..]).await.unwrap();
    let Reading::Deltas(version, deltas) = store.store.read("t", Some(&first)).await.unwrap() else {
        panic!("no deltas");
    };
    assert_eq!(version, store.position().await.version);
    let came = Delta { drop: Vec::new(), put: vec![records[1].clone()] };
    let changed = Delta { drop: vec![records[0].id.clone()], put: vec![records[2].clone()] };
    assert_eq!(deltas, [came, changed]);
}

pub(super) async fn the_same_again_changes_nothing(store: Fixture) {
    let record = store.record("r1", "u1");
    let epoch = store.write(None, &[], std::slice::from_ref(&record)).await.unwrap();
    let before = store.position().await;
    assert_eq!(store.write(None, &[], std::slice::from_ref(&record)).await.unwrap(), epoch);
    store.write(Some(&epoch), &[], std::slice::from_ref(&record)).await.unwrap();
    store.write(Some(&epoch), &[store.record("other", "u2")], &[]).await.unwrap();
    assert_eq!(store.position().await, before);
}

pub(super) async fn another_epoch_takes_nothing(store: Fixture) {
    store.write(None, &[], &[store.record("r1", "u1")]).await.unwrap();
    let other = Epoch::random();
    let refused = store.write(Some(&other), &[], &[store.record("r2", "u2")]).await;
    assert_eq!(refused, Err(StoreError::OtherEpoch));
    assert_eq!(store.snapshot().await.records.len(), 1);
    let elsewhere = Position { epoch: other, version: 1 };
    assert!(matches!(store.store.read("t", Some(&elsewhere)).await.unwrap(), Reading::Snapshot(_)));
}

pub(super) async fn too_many_changes_are_read_as_a_snapshot(store: Fixture) {
    let epoch = store.write(None, &[], &[]).await.unwrap();
    let begin = store.position().await;
    for n in 0..200 {
        store.write(Some(&epoch), &[], &[store.record(&format!("r{n:03}"), "u")]).await.unwrap();
    }
    assert!(matches!(store.store.read("t", Some(&begin)).await.unwrap(), Reading::Snapshot(_)));
    let late = Position { version: store.position().await.version - 3, ..begin };
    let Reading::Deltas(_, deltas) = store.store.read("t", Some(&late)).await.unwrap() else { panic!("no deltas") };
    assert_eq!(deltas.len(), 3);
}

pub(super) async fn large_changes_are_one(store: Fixture) {
    let records: Vec<Record> = (0..9000).map(|n| store.record(&format!("r{n:04}"), "u")).collect();
    let epoch = store.write(None, &[], &records).await.unwrap();
    assert_eq!(store.snapshot().await.records, records);
    let begin = store.position().await;
    store.write(Some(&epoch), &records, &[]).await.unwrap();
    let Reading::Deltas(_, deltas) = store.store.read("t", Some(&begin)).await.unwrap() else { panic!("no deltas") };
    assert_eq!((deltas.len(), deltas[0].drop.len()), (1, 9000));
}

pub(super) async fn a_dead_node_is_dropped(store: Fixture) {
    let dead = store.dead.clone();
    let id = |n| RecordId { node: dead.clone(), phx_ref: format!("d{n}").as_str().into() };
    let put: Vec<Record> =
        (0..1200).map(|n| Record { id: id(n), key: "u".into(), meta: "{}".into(), until: None }).collect();
    let delta = Delta { drop: Vec::new(), put };
    store
        .other
        .write("t", &Write { node: dead.clone(), epoch: None, complete: true, delta, claims: Vec::new() })
        .await
        .unwrap();
    store.write(None, &[], &[store.record("r1", "u1")]).await.unwrap();
    assert!(!store.store.reap("t", &dead, Reap::Abandoned).await.unwrap(), "it has said what it has");
    assert_eq!(store.snapshot().await.records.len(), 1201);
    let mut turns = 1;
    while store.store.reap("t", &dead, Reap::Dead).await.unwrap() {
        turns += 1;
    }
    assert!(turns > 1, "in batches");
    let snapshot = store.snapshot().await;
    assert_eq!(snapshot.records, [store.record("r1", "u1")]);
    assert_eq!(snapshot.complete, [store.store.node()]);
    let before = store.position().await;
    assert!(!store.store.reap("t", &dead, Reap::Dead).await.unwrap());
    assert_eq!(store.position().await, before);
}

pub(super) async fn changes_are_reported(store: Fixture) {
    if !store.store.subscribe("t") {
        store.heard("t").await;
    }
    let epoch = store.write(None, &[], &[store.record("r1", "u1")]).await.unwrap();
    store.heard("t").await;
    store.write(Some(&epoch), &[store.record("r1", "u1")], &[]).await.unwrap();
    store.heard("t").await;
    store.store.vacate("t").await.unwrap();
}

pub(super) async fn what_lingers_is_taken_over_once(store: Fixture) {
    let (here, phx_ref) = (store.record("r1", "u1"), PhxRef::from("r1"));
    let until = Some(store.store.now() + 60_000);
    let left = Record { id: RecordId::lingering(phx_ref.clone()), until, ..here.clone() };
    let epoch = store.write(None, &[], std::slice::from_ref(&here)).await.unwrap();
    store.write(Some(&epoch), std::slice::from_ref(&here), std::slice::from_ref(&left)).await.unwrap();
    assert_eq!(store.snapshot().await.records, std::slice::from_ref(&left));
    assert_eq!(store.store.list("t").await.unwrap(), [left]);
    let claim = std::slice::from_ref(&phx_ref);
    let written = store.claim(Some(&epoch), &[], std::slice::from_ref(&here), claim).await.unwrap();
    assert!(written.failed.is_empty());
    assert_eq!(store.snapshot().await.records, std::slice::from_ref(&here));
    // The same again, since nobody heard the answer.
    let written = store.claim(Some(&epoch), &[], std::slice::from_ref(&here), claim).await.unwrap();
    assert!(written.failed.is_empty());
    assert_eq!(store.snapshot().await.records, std::slice::from_ref(&here));
    let late = Record { id: RecordId { node: store.store.node(), phx_ref: "r2".into() }, ..here.clone() };
    let written = store.claim(Some(&epoch), &[], &[late], &["r2".into()]).await.unwrap();
    assert_eq!(written.failed, ["r2".into()]);
    assert_eq!(store.snapshot().await.records, std::slice::from_ref(&here));
    let over = Record { id: RecordId::lingering(phx_ref), until: Some(store.store.now()), ..here.clone() };
    store.write(Some(&epoch), &[here], std::slice::from_ref(&over)).await.unwrap();
    assert!(store.store.list("t").await.unwrap().iter().all(|record| record.until.is_none()), "its time has come");
}

pub(super) async fn a_leave_that_is_told_again_brings_nobody_back(store: Fixture) {
    let (here, phx_ref) = (store.record("r1", "u1"), PhxRef::from("r1"));
    let until = Some(store.store.now() + 60_000);
    let left = Record { id: RecordId::lingering(phx_ref.clone()), until, ..here.clone() };
    let epoch = store.write(None, &[], std::slice::from_ref(&here)).await.unwrap();
    let leave = async || store.write(Some(&epoch), std::slice::from_ref(&here), std::slice::from_ref(&left)).await;
    leave().await.unwrap();
    leave().await.unwrap();
    assert_eq!(store.snapshot().await.records, std::slice::from_ref(&left), "it still lingers");
    let id = RecordId { node: store.dead.clone(), phx_ref: phx_ref.clone() };
    let there = Record { id, ..here.clone() };
    let delta = Delta { drop: Vec::new(), put: vec![there.clone()] };
    let (node, claims) = (store.dead.clone(), vec![phx_ref]);
    store.other.write("t", &Write { node, epoch: Some(epoch.clone()), complete: false, delta, claims }).await.unwrap();
    leave().await.unwrap();
    assert_eq!(store.snapshot().await.records, [there], "somebody else has taken it over");
}

pub(super) async fn what_lingers_is_dropped_when_its_time_has_come_and_not_before(store: Fixture) {
    let records: Vec<Record> = ["r1", "r2", "r3"].map(|phx_ref| store.record(phx_ref, "u")).into();
    let lingers = |record: &Record, until| Record {
        id: RecordId::lingering(record.id.phx_ref.clone()),
        until: Some(until),
        ..record.clone()
    };
    let now = store.store.now();
    let (over, later) = (lingers(&records[0], now), lingers(&records[1], now + 60_000));
    let epoch = store.write(None, &[], &records).await.unwrap();
    store.write(Some(&epoch), &records[..2], &[over, later.clone()]).await.unwrap();
    assert!(!store.store.reap("t", &RecordId::topic_itself(), Reap::Expired).await.unwrap());
    assert_eq!(store.snapshot().await.records, [&records[2..], &[later]].concat().as_slice());
}

/// All tests of the contract, for stores made by `$make`.
macro_rules! suite {
    ($make:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::presence::store::contract::$name($make.await).await;
            }
        )*
    };
    ($make:expr) => {
        $crate::presence::store::contract::suite! {
            $make;
            what_is_written_is_read
            changes_are_read_since_a_position
            the_same_again_changes_nothing
            another_epoch_takes_nothing
            too_many_changes_are_read_as_a_snapshot
            large_changes_are_one
            a_dead_node_is_dropped
            changes_are_reported
            what_lingers_is_taken_over_once
            a_leave_that_is_told_again_brings_nobody_back
            what_lingers_is_dropped_when_its_time_has_come_and_not_before
        }
    };
}

pub(super) use suite;
