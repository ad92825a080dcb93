//! Attempts to connect that nobody wants: from one address, at a rate.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use crate::client::Endpoint;
use crate::measure::Pace;
use crate::websocket;

/// So many attempts may be under way: a machine that is busy answers one late, and the rate must not fall for it.
const THREADS: usize = 16;

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of the attempts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct FloodOutcome {
    pub(crate) attempts: u64,
    pub(crate) seconds: f64,
    /// By HTTP status; 101 means that it was let in.
    pub(crate) answered: BTreeMap<u16, u64>,
    /// Closed or reset without an answer.
    pub(crate) cut: u64,
    /// Neither answered nor closed in time.
    pub(crate) hung: u64,
}

impl FloodOutcome {
    /// Of those that the server let in, none of the others.
    pub(crate) fn let_in(&self) -> u64 {
        self.answered.get(&101).copied().unwrap_or_default()
    }

    /// Attempts per second.
    pub(crate) fn rate(&self) -> f64 {
        self.attempts as f64 / self.seconds
    }

    /// Adds what else was tried in the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.cut += other.cut;
        self.hung += other.hung;
        for (status, count) in &other.answered {
            *self.answered.entry(*status).or_default() += count;
        }
    }
}

/// A running flood, in threads of its own.
pub(crate) struct Flooder {
    stop: Arc<AtomicBool>,
    started: Instant,
    threads: Vec<JoinHandle<FloodOutcome>>,
}

impl Flooder {
    /// Starts: `rate` attempts a second from `source`.
    pub(crate) fn start(endpoint: &Endpoint, source: IpAddr, rate: f64) -> Self {
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let thread = |_| {
            let (stop, endpoint) = (Arc::clone(&stop), endpoint.clone());
            std::thread::spawn(move || flood(&endpoint, source, rate / THREADS as f64, &stop))
        };
        let threads = (0..THREADS).map(thread).collect();
        Self { stop, started, threads }
    }

    /// Ends it.
    pub(crate) fn stop(self) -> FloodOutcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = FloodOutcome { seconds: self.started.elapsed().as_secs_f64(), ..FloodOutcome::default() };
        for thread in self.threads {
            sum.add(&thread.join().unwrap_or_default());
        }
        sum
    }
}

fn flood(endpoint: &Endpoint, source: IpAddr, rate: f64, stop: &AtomicBool) -> FloodOutcome {
    let request = websocket::request(&endpoint.host, &endpoint.target);
    let mut pace = Pace::new(Instant::now(), rate);
    let mut outcome = FloodOutcome::default();
    while !stop.load(Ordering::Relaxed) {
        if pace.take_due(Instant::now()).is_none() {
            #[expect(clippy::disallowed_methods, reason = "a thread whose only work is to keep a pace")]
            std::thread::sleep(pace.next_at().saturating_duration_since(Instant::now()));
            continue;
        }
        outcome.attempts += 1;
        match attempt(endpoint.address, source, &request) {
            Ok(Some(status)) => *outcome.answered.entry(status).or_default() += 1,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                outcome.hung += 1;
            }
            Ok(None) | Err(_) => outcome.cut += 1,
        }
    }
    outcome
}

/// Connects, asks for an upgrade and hangs up; the status of the answer if there is one.
fn attempt(to: SocketAddr, source: IpAddr, request: &[u8]) -> std::io::Result<Option<u16>> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut head = [0; 512];
    let read = stream.read(&mut head)?;
    let status = std::str::from_utf8(&head[..read]).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_add_up() {
        let one = FloodOutcome { attempts: 3, seconds: 0.0, answered: [(429, 2)].into(), cut: 1, hung: 0 };
        let mut sum = FloodOutcome { seconds: 2.0, ..FloodOutcome::default() };
        sum.add(&one);
        sum.add(&FloodOutcome { answered: [(429, 1), (101, 2)].into(), ..one });
        assert_eq!((sum.attempts, sum.cut, sum.let_in(), sum.answered[&429]), (6, 2, 2, 3));
        assert!((sum.rate() - 3.0).abs() < 1e-9);
    }
}
