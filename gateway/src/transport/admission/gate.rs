use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use super::address::ClientKey;
use super::table::{PerAddress, Table, TableRefusal};
use crate::clock::Clock;
use crate::config::Limits;
use crate::socket::{ConnectResult, Rate};

/// An address may make so many seconds' worth of attempts at once: an office whose pod restarts comes back as one.
const CONNECT_BURST_SECONDS: usize = 5;

/// When who is refused for too many connections may try again: nobody knows when one of them ends.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(10);

/// How often the addresses that are not needed any more are forgotten.
const PURGE_PERIOD: Duration = Duration::from_secs(10);

/// Why a client may not connect now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// Over `limits.connections`.
    #[error("the pod has as many connections as it may")]
    PodFull,
    /// Over `limits.connections_per_ip`.
    #[error("the client's address has as many connections as it may")]
    AddressFull,
    /// Over `limits.connects_per_second`; how long until the next attempt may pass.
    #[error("the client's address connects too often")]
    AddressTooFast(Duration),
}

impl Refused {
    /// The status of the answer.
    pub(in crate::transport) fn status(self) -> StatusCode {
        match self {
            Self::PodFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::AddressFull | Self::AddressTooFast(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// What is answered in `Retry-After`, in whole seconds.
    pub(in crate::transport) fn retry_after(self) -> u64 {
        match self {
            Self::PodFull | Self::AddressFull => RETRY_WHEN_FULL.as_secs(),
            Self::AddressTooFast(wait) => wait.as_secs() + 1,
        }
    }

    pub(in crate::transport) fn result(self) -> ConnectResult {
        match self {
            Self::PodFull => ConnectResult::PodFull,
            Self::AddressFull => ConnectResult::AddressFull,
            Self::AddressTooFast(_) => ConnectResult::AddressTooFast,
        }
    }
}

/// Who may connect to this pod now.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: Option<usize>,
    open: AtomicUsize,
    /// Absent when nothing is limited per address.
    table: Option<Table>,
    clock: Clock,
}

impl Admission {
    pub(crate) fn new(limits: &Limits, clock: Clock) -> Arc<Self> {
        let per_address = PerAddress {
            connections: limits.connections_per_ip.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            connects: limits
                .connects_per_second
                .map(|rate| Rate::new(rate, rate.saturating_mul(CONNECT_BURST_SECONDS))),
        };
        let table = per_address.any().then(|| Table::new(per_address));
        Arc::new(Self { connections: limits.connections, open: AtomicUsize::new(0), table, clock })
    }

    /// Counts an attempt, and the connection until the permit is dropped. Without limits there is nothing to count.
    ///
    /// # Errors
    /// Over a limit.
    pub(in crate::transport) fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Option<Arc<Permit>>, Refused> {
        if self.connections.is_none() && self.table.is_none() {
            return Ok(None);
        }
        // The address first: what it does too much must not be answered as if it were the pod's fault.
        let key = match &self.table {
            Some(table) => {
                let key = ClientKey::of(client);
                table.open(key, self.clock.now_ms())?.then_some(key)
            }
            None => None,
        };
        let permit = Permit { admission: Arc::clone(self), key };
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        if self.connections.is_some_and(|limit| before >= limit) {
            return Err(Refused::PodFull);
        }
        Ok(Some(Arc::new(permit)))
    }

    /// Counts a further attempt of a connection that is admitted.
    ///
    /// # Errors
    /// When the address connects too often.
    pub(in crate::transport) fn again(&self, client: IpAddr) -> Result<(), Refused> {
        let Some(table) = &self.table else { return Ok(()) };
        Ok(table.again(ClientKey::of(client), self.clock.now_ms())?)
    }

    /// Forgets addresses in time. Runs until it is dropped.
    pub(crate) async fn forget(self: Arc<Self>) {
        let Some(table) = &self.table else { return };
        let mut ticks = tokio::time::interval(PURGE_PERIOD);
        loop {
            ticks.tick().await;
            table.purge(self.clock.now_ms());
        }
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.table.as_ref().map_or(0, Table::len)
    }
}

impl From<TableRefusal> for Refused {
    fn from(refusal: TableRefusal) -> Self {
        match refusal {
            TableRefusal::Full => Self::AddressFull,
            TableRefusal::TooFast(wait) => Self::AddressTooFast(wait),
        }
    }
}

/// A connection that was admitted. Counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// Its address, if that is in the table.
    key: Option<ClientKey>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        if let (Some(key), Some(table)) = (self.key, &self.admission.table) {
            table.release(key, self.admission.clock.now_ms());
        }
    }
}
