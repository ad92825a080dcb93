use std::sync::Weak;

use super::*;
use crate::presence::model::PhxRef;
use crate::presence::record::{Delta, Position, Record, Snapshot};
use crate::presence::store::Memory;
use crate::presence::tests::nobody::Nobody;
use crate::pubsub;

struct Fixture {
    watcher: Arc<Watcher>,
    store: Arc<dyn Store>,
    registry: prometheus::Registry,
    view: Arc<View>,
}

impl Fixture {
    /// One who watches.
    async fn new() -> Self {
        let (registry, tasks) = (prometheus::Registry::new(), Tasks::new());
        let metrics = Metrics::register(&registry).unwrap();
        let pubsub_metrics = pubsub::Metrics::register(&registry).unwrap();
        let pubsub = PubSub::memory(NodeId::random(), Arc::new(|_, _| {}), pubsub_metrics, None);
        let tracker = Arc::new(Tracker::new(Duration::ZERO, Duration::ZERO, tasks.clone(), metrics.clone()));
        let watcher = Arc::new(Watcher::new(Duration::ZERO, pubsub, tracker, tasks, metrics));
        let store: Arc<dyn Store> = Arc::new(Memory::<Nobody>::new(NodeId::random(), Weak::new()));
        let view = watcher.open(&store, &"t".into());
        view.ready().await;
        Self { watcher, store, registry, view }
    }

    /// A reading with one more client in it has ended.
    fn show(&self, phx_ref: &str) {
        let id = RecordId { node: NodeId::random(), phx_ref: PhxRef::from(phx_ref) };
        let record = Record { id, key: "u".into(), meta: "{}".into(), until: None };
        self.watcher.show(&self.view, Reading::Deltas(1, vec![Delta { drop: Vec::new(), put: vec![record] }]));
    }

    /// Everything was read: a life of the topic, where it is, and who is there.
    fn show_all(&self, epoch: &str, version: u64, phx_refs: &[&str]) {
        let node = NodeId::from("n1");
        let record = |phx_ref: &&str| Record {
            id: RecordId { node: node.clone(), phx_ref: PhxRef::from(*phx_ref) },
            key: "u".into(),
            meta: "{}".into(),
            until: None,
        };
        let position = Some(Position { epoch: epoch.into(), version });
        let (complete, records) = (vec![node.clone()], phx_refs.iter().map(record).collect());
        self.watcher.show(&self.view, Reading::Snapshot(Snapshot { position, complete, records }));
    }

    /// How many diffs were sent.
    fn diffs(&self) -> f64 {
        self.diffs_by("change") + self.diffs_by("resync")
    }

    /// How many of them for one cause.
    fn diffs_by(&self, cause: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "gateway_presence_diffs_total").unwrap();
        let metric = family.get_metric().iter().find(|metric| metric.get_label()[0].value() == cause);
        metric.unwrap().get_counter().get_value()
    }
}

#[tokio::test]
async fn what_is_read_after_the_last_one_has_gone_is_not_sent() {
    let fixture = Fixture::new().await;
    fixture.show("r1");
    assert!((fixture.diffs() - 1.0).abs() < 0.1);
    fixture.watcher.close(&*fixture.store, &fixture.view);
    fixture.show("r2");
    assert!((fixture.diffs() - 1.0).abs() < 0.1, "whoever watches now has another replica");
}

#[tokio::test]
async fn a_topic_that_is_being_sent_holds_up_nobody_who_comes_or_goes() {
    let fixture = Fixture::new().await;
    let shown = fixture.view.shown.lock();
    let view = fixture.watcher.open(&fixture.store, &"t".into());
    fixture.watcher.close(&*fixture.store, &view);
    drop(shown);
    assert!(fixture.view.is_watched());
}

#[tokio::test]
async fn only_what_the_store_may_have_lost_is_a_resync() {
    let fixture = Fixture::new().await;
    let causes = |change: f64, resync: f64| {
        let counted = (fixture.diffs_by("change"), fixture.diffs_by("resync"));
        assert!((counted.0 - change).abs() < 0.1 && (counted.1 - resync).abs() < 0.1, "{counted:?}");
    };
    // The first one comes to a topic of which the store knew nothing.
    fixture.show_all("e1", 1, &["r1"]);
    causes(1.0, 0.0);
    // More has changed than the store keeps changes.
    fixture.show_all("e1", 100, &["r1", "r2"]);
    causes(2.0, 0.0);
    // The last one goes, the store forgets the topic in time, and another one comes.
    fixture.show_all("e1", 101, &[]);
    causes(3.0, 0.0);
    fixture.show_all("e2", 1, &["r3"]);
    causes(4.0, 0.0);
    // It has begun anew although somebody was there.
    fixture.show_all("e3", 1, &["r4"]);
    causes(4.0, 1.0);
    // It was set back.
    fixture.show_all("e3", 7, &["r4", "r5"]);
    fixture.show_all("e3", 2, &["r4"]);
    causes(5.0, 2.0);
}
