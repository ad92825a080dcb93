use std::sync::Weak;

use super::*;
use crate::presence::model::PhxRef;
use crate::presence::record::{Delta, Record};
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

    /// How many diffs were sent.
    fn diffs(&self) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "gateway_presence_diffs_total").unwrap();
        family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
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
