//! Presence: a topic of 1,000 clients follows the store, and tells its own clients.

use gateway::bench::{Change, ReplicaBench};
use gateway::presence::{Diff, State};
use gateway::wire::Payload;

use crate::harness::{Bench, Meter};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "presence.merge_join", run: |meter| merge(meter, || Change::new(1000..1001, 0..0)) },
    Bench { name: "presence.merge_50_joins_50_leaves", run: |meter| merge(meter, || Change::new(1000..1050, 0..50)) },
    Bench { name: "presence.resync_1000", run: |meter| merge(meter, || Change::everything(0..1000)) },
    Bench { name: "presence.encode_diff_of_100", run: encode_diff },
    Bench { name: "presence.encode_state_of_1000", run: encode_state },
];

/// A change that comes to a replica of 1,000 clients.
fn merge(meter: &Meter, change: impl Fn() -> Change) {
    let prepare = |replica: &mut ReplicaBench| {
        *replica = ReplicaBench::new(0..1000);
        change()
    };
    meter.measure(ReplicaBench::new(0..1000), prepare, ReplicaBench::merge);
}

fn encode_diff(meter: &Meter) {
    let diff = ReplicaBench::new(0..1000).merge(Change::new(1000..1050, 0..50));
    meter.measure(diff, |_| (), |diff: &mut Diff, ()| Payload::json(diff).expect("a diff is JSON"));
}

fn encode_state(meter: &Meter) {
    let state = ReplicaBench::new(0..1000).state().clone();
    meter.measure(state, |_| (), |state: &mut State, ()| Payload::json(state).expect("a state is JSON"));
}
