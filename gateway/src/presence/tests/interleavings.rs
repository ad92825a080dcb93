//! Any interleaving of clients that come, change and go, pods that die, reports that are lost or repeated, and a store
//! that loses everything: when it is quiet, every replica and every client holds exactly the truth.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::model::TrackedMeta;
use super::super::record::{Reading, Snapshot, Write};
use super::super::replica::Replica;
use super::super::store::{Ledger, Reap, StoreError};
use super::super::truth::{Batch, Former, Truth};
use super::client::{Client, Seen, metas, sorted};
use crate::ids::NodeId;
use crate::pubsub::SubscriberId;

const PODS: usize = 3;
const LEASE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
enum Step {
    Track(usize, u64, u8),
    /// A client that is kept back is told of if it can take over from somebody, or at last.
    Settle(usize, u64, u8, bool),
    Update(usize, u64, u8),
    Untrack(usize, u64, u8),
    /// A channel ends; what it leaves behind lingers or not.
    End(usize, u64, bool),
    /// Time passes, and what lingers for long enough goes.
    Expire,
    /// A pod writes what has changed; whether it hears that it was done.
    Write(usize, bool),
    /// A pod writes, and the store loses it before the pod hears that it was done.
    WriteLost(usize),
    /// A pod that was told, or not, or twice, reads.
    Read(usize),
    /// A client joins.
    Join(usize),
    /// A pod dies, and another starts in its place.
    Kill(usize),
    /// The others notice.
    Reap,
    Flush,
    /// The topic is lost, and nobody hears of it: its slot was moved, or its key deleted.
    Vanish,
    /// A replica of the store takes over, which is as old as the last look. The first node that hears of it begins
    /// another epoch.
    Remember,
    SetBack,
    /// A pod hears that the store may have lost something.
    Hear(usize),
}

#[derive(Default)]
struct Pod {
    truth: Truth,
    replica: Replica,
    read: bool,
    unheard: bool,
    clients: Vec<Client>,
}

struct World {
    node: Vec<NodeId>,
    pods: Vec<Pod>,
    ledger: Option<Ledger>,
    remembered: Option<Ledger>,
    set_back: bool,
    dead: Vec<NodeId>,
    count: usize,
    now: Instant,
    clock: u64,
}

fn former(replica: &Replica, key: &str, last: bool) -> Former {
    Former { left: replica.returnable(key), may_leave: !last && replica.state().get(key).is_some() }
}

fn meta(n: u64) -> Map<String, Value> {
    json!({ "n": n }).as_object().unwrap().clone()
}

impl World {
    fn new() -> Self {
        Self {
            node: (0..PODS).map(|n| NodeId::from(format!("n{n}").as_str())).collect(),
            pods: (0..PODS).map(|_| Pod::default()).collect(),
            ledger: None,
            remembered: None,
            set_back: false,
            dead: Vec::new(),
            count: PODS,
            now: Instant::now(),
            clock: 0,
        }
    }

    fn step(&mut self, step: Step, n: u64) {
        match step {
            // A double track or an update of nobody is refused, and changes nothing.
            Step::Track(pod, owner, key) => {
                let key = key.to_string();
                let Pod { truth, replica, .. } = &mut self.pods[pod];
                let _ = truth.track(owner_id(owner), &key, meta(n), former(replica, &key, false));
            }
            Step::Settle(pod, owner, key, last) => {
                let key = key.to_string();
                let Pod { truth, replica, .. } = &mut self.pods[pod];
                truth.settle(owner_id(owner), &key, former(replica, &key, last));
            }
            Step::Update(pod, owner, key) => {
                let _ = self.pods[pod].truth.update(owner_id(owner), &key.to_string(), |_| meta(n));
            }
            Step::Untrack(pod, owner, key) => {
                self.pods[pod].truth.untrack(owner_id(owner), &key.to_string());
            }
            Step::End(pod, owner, linger) => {
                self.pods[pod].truth.end(owner_id(owner), linger);
            }
            Step::Write(pod, heard) => self.write(pod, |_| heard),
            Step::WriteLost(pod) => self.write(pod, |world| {
                world.step(Step::Flush, n);
                world.doubt(pod);
                true
            }),
            Step::Read(pod) => self.read(pod),
            Step::Join(pod) => self.join(pod),
            Step::Kill(pod) => self.kill(pod),
            Step::Expire => {
                self.clock += 1;
                self.expire();
            }
            Step::Reap => self.reap(),
            Step::Flush => {
                (self.ledger, self.set_back) = (None, false);
                self.lost();
            }
            Step::Vanish => (self.ledger, self.set_back) = (None, false),
            Step::Remember => self.remembered = self.ledger.clone(),
            Step::SetBack => {
                if let Some(old) = self.remembered.clone() {
                    self.ledger = Some(old);
                    self.set_back = true;
                    self.lost();
                }
            }
            Step::Hear(pod) => self.hear(pod),
        }
    }

    /// All pods will hear that the store may have lost something.
    fn lost(&mut self) {
        for pod in &mut self.pods {
            pod.unheard = true;
        }
    }

    fn hear(&mut self, pod: usize) {
        if std::mem::take(&mut self.pods[pod].unheard) {
            self.doubt(pod);
            self.write(pod, |_| true);
        }
    }

    fn doubt(&mut self, pod: usize) {
        let Pod { truth, replica, unheard, .. } = &mut self.pods[pod];
        *unheard = false;
        truth.doubt();
        replica.distrust(self.now, LEASE);
    }

    /// `heard` happens before the pod hears that it was done, and says whether it does.
    fn write(&mut self, pod: usize, heard: impl FnOnce(&mut Self) -> bool) {
        let Pod { truth, .. } = &mut self.pods[pod];
        if truth.is_empty() && truth.epoch.is_some() {
            return;
        }
        let batch: Batch = truth.begin(&self.node[pod], self.clock, 1);
        let (epoch, complete) = (truth.epoch.clone(), truth.epoch.is_none());
        let write = Write {
            node: self.node[pod].clone(),
            epoch,
            complete,
            delta: batch.delta.clone(),
            claims: batch.claims.clone(),
        };
        let ledger = self.ledger.get_or_insert_default();
        if write.epoch.is_none() && std::mem::take(&mut self.set_back) {
            ledger.begin_epoch();
        }
        let written = ledger.write(&write);
        let heard = heard(self);
        let Pod { truth, .. } = &mut self.pods[pod];
        match written {
            Ok(written) if heard => truth.taken(batch, written),
            Ok(_) => truth.refused(batch),
            Err(error) => {
                assert_eq!(error, StoreError::OtherEpoch);
                truth.refused(batch);
                truth.doubt();
            }
        }
    }

    fn read(&mut self, pod: usize) {
        // Its connection fell, and it looks what has become of the store before it reads anything.
        self.hear(pod);
        let Pod { truth, replica, read, clients, .. } = &mut self.pods[pod];
        let nothing = || Reading::Snapshot(Snapshot::default());
        let mut reading = self.ledger.as_ref().map_or_else(nothing, |ledger| ledger.read(replica.since()));
        reading.leave_out_expired(self.clock);
        let whole = matches!(reading, Reading::Snapshot(_));
        let diff = replica.apply(reading, self.now, LEASE);
        if whole {
            truth.found(replica.epoch());
        }
        *read = true;
        if !diff.is_empty() {
            let payload = serde_json::to_value(&diff).unwrap();
            clients.iter_mut().for_each(|client| client.sync_diff(&payload));
        }
    }

    fn join(&mut self, pod: usize) {
        if !self.pods[pod].read {
            self.read(pod);
        }
        let mut client = Client::default();
        client.sync_state(&serde_json::to_value(self.pods[pod].replica.state()).unwrap());
        self.pods[pod].clients.push(client);
    }

    fn kill(&mut self, pod: usize) {
        self.pods[pod] = Pod::default();
        let node = NodeId::from(format!("n{}", self.count).as_str());
        self.count += 1;
        self.dead.push(std::mem::replace(&mut self.node[pod], node));
    }

    fn expire(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.expire(self.clock);
        }
    }

    fn reap(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            for dead in &self.dead {
                while ledger.reap(dead, Reap::Dead) {}
            }
        }
    }

    /// Nothing more happens: everybody writes, the dead are noticed, and what was lost is heard of at the latest by the
    /// next heartbeats.
    fn quiet(&mut self) {
        for pod in &mut self.pods {
            pod.truth.settle_all();
        }
        for _ in 0..3 {
            for pod in 0..PODS {
                self.hear(pod);
                self.write(pod, |_| true);
            }
            self.reap();
            for pod in 0..PODS {
                self.read(pod);
            }
        }
        self.now += LEASE;
        self.clock += 2;
        for pod in 0..PODS {
            self.read(pod);
        }
        self.expire();
        for pod in 0..PODS {
            self.write(pod, |_| true);
        }
        for pod in 0..PODS {
            self.read(pod);
        }
    }

    /// What all pods track.
    fn truth(&mut self) -> Seen {
        let mut truth = Seen::new();
        for (pod, node) in self.pods.iter_mut().zip(&self.node) {
            pod.truth.doubt();
            for record in pod.truth.begin(node, self.clock, 1).delta.put {
                let meta = TrackedMeta::new(record.id.phx_ref, &record.meta).unwrap();
                truth.entry(record.key.into()).or_default().push(Value::Object(meta.to_map()));
            }
        }
        sorted(truth)
    }

    fn check(&mut self) {
        let truth = self.truth();
        for pod in &self.pods {
            let state = serde_json::to_value(pod.replica.state()).unwrap();
            assert_eq!(sorted(metas(&state)), truth, "a replica");
            for client in &pod.clients {
                assert_eq!(client.shown(), truth, "a client");
            }
        }
    }
}

fn owner_id(owner: u64) -> SubscriberId {
    SubscriberId::for_tests(owner)
}

fn step() -> impl Strategy<Value = Step> {
    let (pod, owner, key, pod_heard) = (0..PODS, 0..3_u64, 0..3_u8, 0..PODS);
    prop_oneof![
        6 => (pod.clone(), owner.clone(), key.clone()).prop_map(|(pod, owner, key)| Step::Track(pod, owner, key)),
        4 => (pod.clone(), owner.clone(), key.clone(), any::<bool>())
            .prop_map(|(pod, owner, key, last)| Step::Settle(pod, owner, key, last)),
        4 => (pod.clone(), owner.clone(), key.clone()).prop_map(|(pod, owner, key)| Step::Update(pod, owner, key)),
        3 => (pod.clone(), owner.clone(), key).prop_map(|(pod, owner, key)| Step::Untrack(pod, owner, key)),
        3 => (pod.clone(), owner, any::<bool>()).prop_map(|(pod, owner, linger)| Step::End(pod, owner, linger)),
        1 => Just(Step::Expire),
        8 => (pod.clone(), proptest::bool::weighted(0.8)).prop_map(|(pod, heard)| Step::Write(pod, heard)),
        1 => pod.clone().prop_map(Step::WriteLost),
        8 => pod.clone().prop_map(Step::Read),
        2 => pod.clone().prop_map(Step::Join),
        1 => pod.prop_map(Step::Kill),
        1 => Just(Step::Reap),
        1 => Just(Step::Flush),
        1 => Just(Step::Vanish),
        1 => Just(Step::Remember),
        1 => Just(Step::SetBack),
        2 => pod_heard.prop_map(Step::Hear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn after_quiet_everybody_holds_the_truth(steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for (n, step) in (0..).zip(steps) {
            world.step(step, n);
        }
        world.quiet();
        world.check();
    }
}
