use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntGauge, Registry};

/// What the room counts. Clones share the counters.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    seconds: HistogramVec,
    up: IntGauge,
}

/// What is asked of a database.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Archive,
    ReadArchive,
    LookUpMember,
    EditMembers,
    ListMembers,
}

impl Operation {
    const ALL: [Self; 5] = [Self::Archive, Self::ReadArchive, Self::LookUpMember, Self::EditMembers, Self::ListMembers];

    fn label(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::ReadArchive => "read_archive",
            Self::LookUpMember => "look_up_member",
            Self::EditMembers => "edit_members",
            Self::ListMembers => "list_members",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Ok,
    Failed,
    /// It was not asked.
    Shed,
}

impl Ending {
    const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Shed];

    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Shed => "shed",
        }
    }
}

impl Metrics {
    /// Makes the families and registers them. Without a database they stay as they are here.
    ///
    /// # Errors
    /// When they are registered already.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let seconds = HistogramOpts::new(
            "gateway_store_seconds",
            "From a call of the database until its outcome is known, the wait for a connection included",
        )
        .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0]);
        let seconds = HistogramVec::new(seconds, &["operation", "result"])?;
        for operation in Operation::ALL {
            for ending in Ending::ALL {
                let _there_from_the_start = seconds.with_label_values(&[operation.label(), ending.label()]);
            }
        }
        let up = IntGauge::new("gateway_store_up", "1 while the database answers; always 1 without one")?;
        up.set(1);
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(up.clone()))?;
        Ok(Self { seconds, up })
    }

    pub(super) fn observe(&self, operation: Operation, ending: Ending, took: Duration) {
        self.seconds.with_label_values(&[operation.label(), ending.label()]).observe(took.as_secs_f64());
    }

    pub(super) fn up(&self, up: bool) {
        self.up.set(i64::from(up));
    }
}
