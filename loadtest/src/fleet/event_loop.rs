//! The loop: readiness in, events out, queued messages written at the end of each turn.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, Signal};
use super::heartbeat::Heartbeats;
use super::source::Sources;
use crate::client::{self, Endpoints, Outgoing, Vsn};
use crate::error::Error;
use crate::websocket;

/// Counted from 0 in the order of opening.
pub(crate) type ConnectionId = usize;

/// What happens to a connection.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// It is upgraded to WebSocket.
    Open,
    /// A message came.
    Text(&'a [u8]),
    /// It is over, with the reason in plain words. Nothing comes after this.
    Gone(String),
}

/// The scenario's side of a turn.
pub(crate) trait Handler {
    /// Texts pushed on `send` are queued right after the event.
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, send: &mut Vec<String>);
}

/// What a fleet needs to know.
#[derive(Debug, Clone)]
pub(crate) struct FleetConfig {
    pub(crate) endpoints: Endpoints,
    pub(crate) vsn: Vsn,
    /// Zero: none.
    pub(crate) heartbeat: Duration,
    /// Empty: the kernel chooses.
    pub(crate) sources: Vec<IpAddr>,
}

/// See the room's own description.
pub(crate) struct Fleet {
    config: FleetConfig,
    heartbeat_text: String,
    poll: Poll,
    events: Events,
    connections: Vec<Option<Connection>>,
    alive: usize,
    sources: Sources,
    heartbeats: Heartbeats,
    /// Connections with something queued since the last flush.
    dirty: Vec<ConnectionId>,
    buffer: Vec<u8>,
}

impl Fleet {
    /// An empty fleet.
    pub(crate) fn new(config: FleetConfig) -> Result<Self, Error> {
        let heartbeat = Outgoing {
            join_ref: None,
            reference: Some("heartbeat"),
            topic: "phoenix",
            event: "heartbeat",
            payload: "{}",
        };
        Ok(Self {
            heartbeat_text: client::encode(config.vsn, heartbeat),
            poll: Poll::new().map_err(Error::io("epoll can't be set up"))?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            alive: 0,
            sources: Sources::new(config.sources.clone()),
            heartbeats: Heartbeats::new(config.heartbeat, Instant::now()),
            dirty: Vec::new(),
            buffer: vec![0; 64 * 1024],
            config,
        })
    }

    pub(crate) fn config(&self) -> &FleetConfig {
        &self.config
    }

    /// Connections that are not gone.
    pub(crate) fn alive(&self) -> usize {
        self.alive
    }

    /// Starts a connection; its `Open` comes in a later turn.
    pub(crate) fn connect(&mut self) -> Result<ConnectionId, Error> {
        let id = self.connections.len();
        let endpoint = self.config.endpoints.of(id);
        let failed = Error::io(format!("connection {id} can't be opened"));
        let mut stream = self.sources.connect(endpoint.address).map_err(failed)?;
        // Without this a second small write waits for the server's acknowledgement, and the wait would count as latency.
        let _ = stream.set_nodelay(true);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let failed = Error::io(format!("connection {id} can't be watched"));
        self.poll.registry().register(&mut stream, Token(id), interest).map_err(failed)?;
        let request = websocket::request(&endpoint.host, &endpoint.target);
        self.connections.push(Some(Connection::new(stream, request)));
        self.alive += 1;
        Ok(id)
    }

    /// Ends a connection at once, without a word to the server or to the handler.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        if let Some(mut connection) = self.connections.get_mut(id).and_then(Option::take) {
            let _ = self.poll.registry().deregister(&mut connection.stream);
            self.alive -= 1;
        }
    }

    /// Queues a message; it is written at the end of the turn, together with others of the same connection.
    pub(crate) fn send(&mut self, id: ConnectionId, text: &str) {
        if let Some(Some(connection)) = self.connections.get_mut(id) {
            connection.queue_text(text.as_bytes());
            self.dirty.push(id);
        }
    }

    /// Bytes queued for a connection that the server has not taken yet.
    pub(crate) fn backlog(&self, id: ConnectionId) -> usize {
        self.connections.get(id).and_then(Option::as_ref).map_or(0, Connection::backlog)
    }

    /// Writes what is queued, waits for events until `deadline` at most, hands them out, and writes again.
    ///
    /// epoll counts in milliseconds: the last one before a deadline is spent asking again and again, so that a paced message
    /// leaves on time.
    pub(crate) fn turn(&mut self, deadline: Instant, handler: &mut dyn Handler) -> Result<(), Error> {
        self.flush(handler);
        let wait = deadline.saturating_duration_since(Instant::now());
        let wait = Duration::from_millis(wait.as_millis().saturating_sub(1) as u64);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other.map_err(Error::io("waiting for events failed"))?,
        }
        self.dispatch(handler);
        for id in self.heartbeats.due(self.connections.len(), Instant::now()) {
            // Who is not upgraded yet must not speak, and needs no heartbeat.
            if let Some(connection) = self.connections[id].as_mut().filter(|connection| connection.is_upgraded()) {
                connection.queue_text(self.heartbeat_text.as_bytes());
                self.dirty.push(id);
            }
        }
        self.flush(handler);
        Ok(())
    }

    /// Turns until `deadline`, for a scenario that only waits.
    pub(crate) fn wait(&mut self, deadline: Instant, handler: &mut dyn Handler) -> Result<(), Error> {
        while Instant::now() < deadline {
            self.turn(deadline, handler)?;
        }
        Ok(())
    }

    fn dispatch(&mut self, handler: &mut dyn Handler) {
        let mut gone = Vec::new();
        let mut send = Vec::new();
        for event in &self.events {
            let id = event.token().0;
            let Some(Some(connection)) = self.connections.get_mut(id) else { continue };
            if event.is_writable() && connection.backlog() > 0 {
                self.dirty.push(id);
            }
            if !(event.is_readable() || event.is_read_closed() || event.is_error()) {
                continue;
            }
            let mut pongs = Vec::new();
            let to_the_end = event.is_read_closed() || event.is_error();
            connection.read(&mut self.buffer, to_the_end, &mut |signal| match signal {
                Signal::Upgraded => handler.on_event(id, Event::Open, &mut send),
                Signal::Text(text) => handler.on_event(id, Event::Text(text), &mut send),
                Signal::Ping(payload) => pongs.push(payload.to_vec()),
                Signal::Closed(reason) => gone.push((id, reason)),
            });
            if !(send.is_empty() && pongs.is_empty()) {
                send.drain(..).for_each(|text| connection.queue_text(text.as_bytes()));
                pongs.iter().for_each(|payload| connection.queue_pong(payload));
                self.dirty.push(id);
            }
        }
        gone.into_iter().for_each(|(id, reason)| self.lose(id, reason, handler));
    }

    fn flush(&mut self, handler: &mut dyn Handler) {
        let mut gone = Vec::new();
        let registry = self.poll.registry();
        for id in self.dirty.drain(..) {
            let Some(Some(connection)) = self.connections.get_mut(id) else { continue };
            match connection.flush() {
                Ok(waits) if waits != connection.waits_to_write => {
                    let interest = if waits { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
                    connection.waits_to_write = waits;
                    if let Err(error) = registry.reregister(&mut connection.stream, Token(id), interest) {
                        gone.push((id, error.to_string()));
                    }
                }
                Ok(_) => {}
                Err(error) => gone.push((id, error.to_string())),
            }
        }
        gone.into_iter().for_each(|(id, reason)| self.lose(id, reason, handler));
    }

    fn lose(&mut self, id: ConnectionId, reason: String, handler: &mut dyn Handler) {
        // Reading and writing may both find out; only the first tells.
        if let Some(mut connection) = self.connections.get_mut(id).and_then(Option::take) {
            let _ = self.poll.registry().deregister(&mut connection.stream);
            self.alive -= 1;
            handler.on_event(id, Event::Gone(reason), &mut Vec::new());
        }
    }
}
