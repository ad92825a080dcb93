//! What `benches/presence.rs` sees of the replicas.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::diff::Diff;
use super::model::State;
use super::record::{Delta, Position, Reading, Record, RecordId, Snapshot};
use super::replica::Replica;
use crate::ids::NodeId;

/// How long a node would be believed; the benches lose nothing, so it does not matter.
const PATIENCE: Duration = Duration::from_secs(30);

/// The replica of one topic, whose clients are numbers.
pub struct ReplicaBench {
    replica: Replica,
    now: Instant,
}

/// What comes from the store.
pub struct Change(Reading);

impl ReplicaBench {
    /// A topic in which these clients are.
    pub fn new(clients: Range<u32>) -> Self {
        let mut this = Self { replica: Replica::default(), now: Instant::now() };
        this.merge(Change::everything(clients));
        this
    }

    /// Follows the store.
    pub fn merge(&mut self, change: Change) -> Diff {
        self.replica.apply(change.0, self.now, PATIENCE)
    }

    /// What clients are to see.
    pub fn state(&self) -> &State {
        self.replica.state()
    }
}

impl Change {
    /// Some come and some go.
    pub fn new(joins: Range<u32>, leaves: Range<u32>) -> Self {
        let delta = Delta { drop: leaves.map(id).collect(), put: joins.map(record).collect() };
        Self(Reading::Deltas(2, vec![delta]))
    }

    /// All that the store has.
    pub fn everything(clients: Range<u32>) -> Self {
        let position = Some(Position { epoch: "epoch".into(), version: 1 });
        let records = clients.map(record).collect();
        Self(Reading::Snapshot(Snapshot { position, complete: vec![node()], records }))
    }
}

fn record(client: u32) -> Record {
    let meta = r#"{"name":"Somebody","online_at":"1700000000"}"#.into();
    Record { id: id(client), key: format!("user-{client}").into(), meta, until: None }
}

fn id(client: u32) -> RecordId {
    RecordId { node: node(), phx_ref: format!("{client:016}").as_str().into() }
}

fn node() -> NodeId {
    "benchbench".into()
}
