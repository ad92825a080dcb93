use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use uuid::Uuid;

use super::assigns::Assigns;
use super::endpoint::Endpoint;
use super::life::Life;
use super::outcome::Info;
use super::passing::Passing;
use crate::outbox::Outbox;
use crate::wire::{Encoding, Vsn};

/// How much mail may wait for a channel.
pub(super) const MAX_WAITING: usize = 1024;

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Requests that wait for messages.
    LongPoll,
}

impl Transport {
    /// Its name in Phoenix' terms.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::LongPoll => "longpoll",
        }
    }
}

/// Names a channel within its connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelKey(pub(crate) u32);

/// Something for a channel that does not come from its client.
pub(crate) enum Mail {
    /// A message of the application's own.
    Info(Info),
    /// A broadcast that the channel intercepts, or that waits behind one.
    Out(Passing),
    /// To be delivered later.
    After(Duration, Info),
    /// There was more than the channel could keep up with.
    Overflow,
    /// Messages of its topic were lost, and its client has to know.
    Lost,
}

/// The client at the other end of the connection, as its channels see it.
pub struct Client {
    known: Option<Box<Known>>,
    encoding: Encoding,
    transport: Transport,
    endpoint: Endpoint,
    outbox: Arc<Outbox>,
    /// Absent while it is empty.
    mail: Mutex<Option<Box<Mailbox>>>,
    uuid: OnceLock<Box<Uuid>>,
    life: Life,
}

/// What the connect callback gave, if that was anything.
struct Known {
    id: Option<Box<str>>,
    assigns: Assigns,
}

/// What waits for the channels of a connection, in the order in which it came.
#[derive(Default)]
struct Mailbox {
    waiting: VecDeque<(ChannelKey, Mail)>,
    /// How much of it each channel has, so that a flood for one cannot push out what another is sent.
    counts: Vec<(ChannelKey, usize)>,
    /// The connection is gone: nobody will read this.
    closed: bool,
}

impl Client {
    pub(crate) fn new(
        id: Option<Box<str>>,
        assigns: Assigns,
        encoding: impl Into<Encoding>,
        transport: Transport,
        endpoint: Endpoint,
        outbox: Arc<Outbox>,
        expires_at: Option<u64>,
    ) -> Self {
        let encoding = encoding.into();
        let is_unknown = id.is_none() && assigns.is_empty();
        let known = (!is_unknown).then(|| Box::new(Known { id, assigns }));
        let (mail, uuid, life) = (Mutex::default(), OnceLock::new(), Life::new(expires_at));
        Self { known, encoding, transport, endpoint, outbox, mail, uuid, life }
    }

    /// The socket id that the connect callback gave, shared by all sockets of one user.
    pub fn id(&self) -> Option<&str> {
        self.known.as_ref()?.id.as_deref()
    }

    /// Names this connection and no other: the same for all its channels, made when it is first asked for.
    pub fn uuid(&self) -> &Uuid {
        self.uuid.get_or_init(|| Box::new(Uuid::new_v4()))
    }

    /// What the connect callback left.
    pub fn assigns(&self) -> &Assigns {
        self.known.as_ref().map_or(Assigns::NONE, |known| &known.assigns)
    }

    /// The value of a type among the assigns.
    pub fn assign<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.assigns().get()
    }

    /// The serializer of the connection.
    pub fn vsn(&self) -> Vsn {
        self.encoding.vsn
    }

    /// How frames for it are made.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// What carries the connection.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// When the connection ends unless it is renewed; none where it has no end.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.life.at()
    }

    /// Lets the connection last until then. Every channel of the client gets [`super::Renewed`] as a message.
    pub fn renew_until(&self, at: SystemTime) {
        self.life.renew(at);
        self.outbox.wake();
    }

    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Leaves something for a channel and wakes the connection's task. Never waits: a channel whose mail would not fit
    /// is ended instead.
    pub(crate) fn send(&self, key: ChannelKey, mail: Mail) {
        let mut mail_of_all = self.mail.lock();
        let mailbox = mail_of_all.get_or_insert_default();
        if mailbox.closed {
            return;
        }
        let mail = match mailbox.count(key) {
            0..MAX_WAITING => mail,
            MAX_WAITING => Mail::Overflow,
            _ => return,
        };
        mailbox.waiting.push_back((key, mail));
        drop(mail_of_all);
        self.outbox.wake();
    }

    /// Sends a channel a message of the application's own.
    pub(crate) fn inform(&self, key: ChannelKey, message: Info) {
        self.send(key, Mail::Info(message));
    }

    pub(crate) fn take_mail(&self) -> VecDeque<(ChannelKey, Mail)> {
        let mut mail = self.mail.lock();
        let is_open = |mailbox: &mut Box<Mailbox>| !mailbox.closed;
        mail.take_if(is_open).map_or_else(VecDeque::new, |mailbox| mailbox.waiting)
    }

    /// The connection is gone: what handles that were kept still send is dropped, and counts against no budget.
    pub(crate) fn close(&self) {
        let closed = Box::new(Mailbox { closed: true, ..Mailbox::default() });
        let waiting = self.mail.lock().replace(closed);
        self.outbox.shed();
        // Not under the lock: what the application sent may do anything when it goes.
        drop(waiting);
    }
}

impl Mailbox {
    /// Counts one more for a channel; how many there were.
    fn count(&mut self, key: ChannelKey) -> usize {
        let Some((_, count)) = self.counts.iter_mut().find(|(other, _)| *other == key) else {
            self.counts.push((key, 1));
            return 0;
        };
        *count += 1;
        *count - 1
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("encoding", &self.encoding)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
