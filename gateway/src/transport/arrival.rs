use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::admission::{Admission, Permit, Refused};
use super::forwarded::{TrustedProxies, request_origin};
use super::patience::Patience;
use super::tls::Tls;
use crate::auth::Origin;
use crate::socket::SocketMetrics;

/// How many refused connections may be answered at once. Beyond it they are closed without an answer: a flood must not
/// buy work, nor can it fill the pod with connections that wait for theirs.
const ANSWERS: usize = 64;

/// What stands between the network and the requests of clients.
#[derive(Debug)]
pub(crate) struct Front {
    pub(super) admission: Arc<Admission>,
    pub(super) proxies: TrustedProxies,
    /// Whether the proxies begin with a PROXY header.
    pub(super) proxy_protocol: bool,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) metrics: Arc<SocketMetrics>,
    answers: Arc<Semaphore>,
}

impl Front {
    pub(crate) fn new(
        admission: Arc<Admission>,
        proxies: TrustedProxies,
        proxy_protocol: bool,
        tls: Option<Arc<Tls>>,
        metrics: Arc<SocketMetrics>,
    ) -> Self {
        Self { admission, proxies, proxy_protocol, tls, metrics, answers: Arc::new(Semaphore::new(ANSWERS)) }
    }

    /// Room to answer one refused connection.
    pub(super) fn answer_slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.answers).try_acquire_owned().ok()
    }

    /// Takes a connection whose client's address is `source`, unless that is a proxy's: then its requests are asked for.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr, source: IpAddr) -> Result<Arrival, Refused> {
        let is_proxy = self.proxies.contains(source);
        let permit = if is_proxy { None } else { self.admission.admit(source)? };
        Ok(self.arrival(peer, source, is_proxy, permit))
    }

    /// Takes a connection whose PROXY header tells no address. It counts as the proxy's own, and its requests are believed
    /// nothing: who wrote their headers is as unknown as who sent them.
    pub(super) fn admit_unknown(self: &Arc<Self>, peer: SocketAddr) -> Result<Arrival, Refused> {
        let permit = self.admission.admit(peer.ip())?;
        Ok(self.arrival(peer, peer.ip(), false, permit))
    }

    fn arrival(
        self: &Arc<Self>,
        peer: SocketAddr,
        source: IpAddr,
        is_proxy: bool,
        permit: Option<Arc<Permit>>,
    ) -> Arrival {
        let (front, used) = (Arc::clone(self), AtomicBool::new(false));
        let (secure, patience) = (self.tls.is_some(), OnceLock::new());
        Arrival { front, peer, source, is_proxy, permit, used, secure, patience }
    }
}

/// How a TCP connection came.
#[derive(Debug)]
pub(super) struct Arrival {
    front: Arc<Front>,
    pub(super) peer: SocketAddr,
    /// The TCP peer, or what a trusted PROXY header says.
    source: IpAddr,
    /// Whether it comes from a trusted proxy whose `X-Forwarded-*` count.
    is_proxy: bool,
    permit: Option<Arc<Permit>>,
    /// Whether there was a request to connect.
    used: AtomicBool,
    secure: bool,
    /// How long the connection may stay at HTTP.
    pub(super) patience: OnceLock<Arc<Patience>>,
}

impl Arrival {
    /// Takes a request to connect: where its client is, and the permit of its connection.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(IpAddr, Option<Arc<Permit>>), Refused> {
        let Front { admission, proxies, .. } = &*self.front;
        if self.is_proxy {
            let client = proxies.client_ip(self.source, headers);
            return Ok((client, admission.admit(client)?));
        }
        // The first was counted when the connection came.
        if self.used.swap(true, Ordering::Relaxed) {
            admission.again(self.source)?;
        }
        Ok((self.source.to_canonical(), self.permit.clone()))
    }

    /// Takes a request for a long-poll session: it counts as one connection, beside the TCP connections by which its client
    /// polls, since they come and go while it lasts.
    pub(super) fn admit_session(&self, headers: &HeaderMap) -> Result<(IpAddr, Option<Arc<Permit>>), Refused> {
        let Front { admission, proxies, .. } = &*self.front;
        let client = if self.is_proxy { proxies.client_ip(self.source, headers) } else { self.source.to_canonical() };
        Ok((client, admission.admit(client)?))
    }

    /// The client of a session polls by this connection until then: it is not one that dribbles.
    pub(super) fn polls_until(&self, until: Instant) {
        if let Some(patience) = self.patience.get() {
            patience.extend(until);
        }
    }

    /// Where a request was sent to, as its client sees it.
    pub(super) fn request_origin(&self, headers: &HeaderMap) -> Origin {
        request_origin(self.is_proxy, self.secure, headers)
    }
}
