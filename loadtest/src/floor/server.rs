//! The floor's loop.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::presence::Presences;
use super::socket::{Socket, frame};
use crate::client::{Message, Outgoing, Vsn, decode, encode};
use crate::error::Error;

const LISTENER: Token = Token(usize::MAX);

struct Floor {
    coalesce: bool,
    /// If it tells who is present.
    presences: Option<Presences>,
    sockets: HashMap<usize, Socket>,
    members: HashMap<String, Vec<usize>>,
    /// With `coalesce`: frames per topic that arrived in this turn, and the replies that follow them.
    batches: HashMap<String, Vec<u8>>,
    replies: Vec<(usize, Vec<u8>)>,
}

/// What a floor does beside answering and broadcasting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Powers {
    /// Frames that arrived together leave in one write per socket.
    pub(crate) coalesce: bool,
    /// It tells who is present.
    pub(crate) presence: bool,
}

/// Serves until the process ends. `on_listening` hears the bound address.
pub(crate) fn run(listen: SocketAddr, powers: Powers, on_listening: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let failed = Error::io(format!("the floor can't listen on {listen}"));
    let mut listener = TcpListener::bind(listen).map_err(failed)?;
    let poll = Poll::new().and_then(|poll| {
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(poll)
    });
    let mut poll = poll.map_err(Error::io("epoll can't be set up"))?;
    on_listening(listener.local_addr().map_err(Error::io("the floor's address can't be read"))?);

    let mut floor = Floor {
        coalesce: powers.coalesce,
        presences: powers.presence.then(Presences::default),
        sockets: HashMap::new(),
        members: HashMap::new(),
        batches: HashMap::new(),
        replies: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    let mut next_id = 0;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.map_err(Error::io("waiting for events failed"))?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, &poll, &mut next_id),
                Token(id) => {
                    if event.is_writable() {
                        floor.with(id, Socket::flush);
                    }
                    floor.read(id, &mut buffer, event.is_read_closed() || event.is_error());
                }
            }
        }
        floor.end_turn();
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll, next_id: &mut usize) {
        // Any error ends this round: without one more descriptor there is nothing to do but wait.
        while let Ok((mut stream, _)) = listener.accept() {
            let id = *next_id;
            *next_id += 1;
            let _ = stream.set_nodelay(true);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if poll.registry().register(&mut stream, Token(id), interest).is_ok() {
                self.sockets.insert(id, Socket::new(stream));
            }
        }
    }

    fn with(&mut self, id: usize, act: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            act(socket);
        }
    }

    fn read(&mut self, id: usize, buffer: &mut [u8], to_the_end: bool) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let mut texts = Vec::new();
        let alive = socket.read(buffer, to_the_end, &mut texts);
        let vsn = socket.vsn;
        for text in texts {
            if let Some(message) = decode(vsn, &text) {
                self.on_message(id, vsn, &message);
            }
        }
        if !alive {
            let topics = self.sockets.remove(&id).map(|socket| socket.topics).unwrap_or_default();
            topics.iter().for_each(|topic| self.forget(id, topic));
        }
    }

    fn on_message(&mut self, id: usize, vsn: Vsn, message: &Message<'_>) {
        let topic = message.topic.as_ref();
        match message.event.as_ref() {
            "phx_join" => {
                self.members.entry(topic.to_owned()).or_default().push(id);
                self.with(id, |socket| socket.topics.push(topic.to_owned()));
                if let Some(presences) = &mut self.presences {
                    presences.join(id, vsn, message);
                }
            }
            "phx_leave" => self.forget(id, topic),
            "heartbeat" | "echo" => {}
            _ => self.broadcast(vsn, message),
        }
        let text = encode(
            vsn,
            Outgoing {
                join_ref: message.join_ref.as_deref(),
                reference: message.reference.as_deref(),
                topic,
                event: "phx_reply",
                payload: r#"{"status":"ok","response":{}}"#,
            },
        );
        let reply = frame(&text);
        if self.coalesce {
            self.replies.push((id, reply));
        } else {
            self.with(id, |socket| socket.write(&reply));
        }
    }

    fn broadcast(&mut self, vsn: Vsn, message: &Message<'_>) {
        let (topic, event, payload) = (message.topic.as_ref(), message.event.as_ref(), message.payload.get());
        let frame = frame(&encode(vsn, Outgoing { join_ref: None, reference: None, topic, event, payload }));
        if self.coalesce {
            self.batches.entry(topic.to_owned()).or_default().extend_from_slice(&frame);
        } else {
            self.write_to_all(topic, &frame);
        }
    }

    fn write_to_all(&mut self, topic: &str, bytes: &[u8]) {
        for id in self.members.get(topic).into_iter().flatten() {
            if let Some(socket) = self.sockets.get_mut(id) {
                socket.write(bytes);
            }
        }
    }

    fn end_turn(&mut self) {
        for (topic, batch) in std::mem::take(&mut self.batches) {
            self.write_to_all(&topic, &batch);
        }
        for (id, reply) in std::mem::take(&mut self.replies) {
            self.with(id, |socket| socket.write(&reply));
        }
        if let Some(presences) = &mut self.presences {
            presences.end_turn(|id, frame| {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.write(frame);
                }
            });
        }
    }

    fn forget(&mut self, id: usize, topic: &str) {
        if let Some(members) = self.members.get_mut(topic) {
            members.retain(|member| *member != id);
        }
        if let Some(presences) = &mut self.presences {
            presences.leave(id, topic);
        }
    }
}
