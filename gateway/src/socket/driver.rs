use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;

use super::close::CloseReason;
use super::limits::SocketLimits;
use super::metrics::SocketMetrics;
use super::mount::Mount;
use super::registry::Registry;
use super::session::{Effect, Flood, Session};
use super::supabase::{self, SYSTEM, TooManyMessages};
use crate::channel::{Channels, Client, Endpoint, Info};
use crate::clock::{Clock, unix_seconds};
use crate::outbox::{Budget, Outbox, Packet};
use crate::wire::{Dialect, Name, Opcode, Outgoing, Payload, Reason, Ref};

/// What all connections of a pod share.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) endpoint: Endpoint,
    pub(crate) registry: Arc<Registry>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) clock: Clock,
    pub(crate) socket_metrics: Arc<SocketMetrics>,
    pub(crate) outbox_bytes: usize,
    pub(crate) limits: SocketLimits,
}

impl Services {
    /// A queue for a connection that may send frames of this size: the largest and its answer always fit, or a relay of
    /// it would close its own sender.
    pub(crate) fn outbox(&self, max_frame_size: usize) -> Arc<Outbox> {
        let limit = self.outbox_bytes.max(max_frame_size.saturating_mul(2));
        Arc::new(Outbox::new(limit, Arc::clone(&self.budget)))
    }
}

/// Performs what the session of one connection decides. Owned and polled by the connection's task.
pub(crate) struct Driver {
    session: Session,
    channels: Channels,
    mount: Arc<Mount>,
}

impl Driver {
    pub(crate) fn new(client: Arc<Client>, mount: Arc<Mount>) -> Self {
        let session = Session::new(mount.max_channels).overlooking_join_refs(mount.dialect == Dialect::Supabase);
        let channels = Channels::new(client, mount.max_channels, mount.callback_grace);
        Self { session, channels, mount }
    }

    /// Takes a frame of the client.
    ///
    /// # Errors
    /// When it is no message, or one too many by far: the connection cannot go on.
    pub(crate) fn on_frame(&mut self, opcode: Opcode, frame: &Bytes, services: &Services) -> Result<(), CloseReason> {
        let message = match self.client().encoding().decode(opcode, frame) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "malformed message");
                if !self.is_of_supabase() {
                    return Err(CloseReason::Malformed);
                }
                let counted =
                    services.limits.any().then(|| self.session.overlook(&services.limits, services.clock.now_ms()));
                return counted.unwrap_or(Ok(())).map_err(|Flood| CloseReason::RateLimited);
            }
        };
        let mut effects = Vec::new();
        let message = if services.limits.any() {
            let limited = self.session.limit(message, &services.limits, services.clock.now_ms(), &mut effects);
            limited.map_err(|Flood| CloseReason::RateLimited)?
        } else {
            Some(message)
        };
        match message {
            Some(message) => self.session.on_message(message, self.mount.router(), &mut effects),
            None if matches!(effects.last(), Some(Effect::Limited { .. })) => {
                services.socket_metrics.messages_rate_limited.inc();
            }
            // A refused join, which is counted with the joins.
            None if self.is_of_supabase() => {
                self.perform(effects);
                return Err(CloseReason::TooManyJoins);
            }
            None => {}
        }
        self.perform(effects);
        Ok(())
    }

    /// The client at the other end.
    pub(crate) fn client(&self) -> &Arc<Client> {
        self.channels.client()
    }

    /// The largest frame that the client may send, in bytes.
    pub(crate) fn max_frame_size(&self) -> usize {
        self.mount.max_frame_size
    }

    /// Hands out what came for the channels from elsewhere: to be called when the outbox was signalled.
    pub(crate) fn collect_mail(&mut self) {
        self.channels.collect_mail();
    }

    /// Goes on with the channels until nothing more can be done now.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>) {
        loop {
            let events = self.channels.poll(task);
            if events.is_empty() {
                break;
            }
            let mut effects = Vec::new();
            self.session.on_events(events, self.mount.router(), &mut effects);
            self.perform(effects);
        }
        if self.client().life().is_near() {
            self.channels.warn_of_expiry(unix_seconds());
        }
    }

    /// Sends a message of the application's own to the channel of a topic, if that is joined.
    pub(crate) fn inform(&self, topic: &str, message: Info) {
        if let Some(key) = self.session.channel(topic) {
            self.client().inform(key, message);
        }
    }

    /// Whether the client should not be read for now.
    pub(crate) fn is_congested(&self) -> bool {
        self.session.is_congested() || self.channels.is_congested()
    }

    /// Whether a join callback runs, for which the client's other messages wait.
    pub(crate) fn is_joining(&self) -> bool {
        self.session.is_joining()
    }

    /// Whether the client waits for an answer that is on its way.
    pub(crate) fn owes_answers(&self) -> bool {
        self.channels.owes_answers()
    }

    /// Says on each topic that the connection is about to end, where its clients expect to be told.
    pub(crate) fn say_goodbye(&self, reason: CloseReason) {
        let Some(payload) = supabase::goodbye(reason).filter(|_| self.is_of_supabase()) else { return };
        for topic in self.session.topics() {
            self.send(Outgoing::Broadcast { topic, event: SYSTEM, payload: &payload, offset: None });
        }
    }

    fn is_of_supabase(&self) -> bool {
        self.mount.dialect == Dialect::Supabase
    }

    /// Ends all channels. They have their grace: go on polling until [`Driver::is_finished`].
    pub(crate) fn close(&mut self) {
        self.session.close();
        self.channels.close();
    }

    /// Whether no channel is left.
    pub(crate) fn is_finished(&self) -> bool {
        self.channels.is_empty()
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { join_ref, reference, topic, error } => {
                    self.answer(&join_ref, &reference, &topic, error.map(Reason::payload));
                }
                Effect::RefuseJoin { join_ref, reference, topic, reason } => {
                    self.channels.metrics().join_refused_by_socket(reason);
                    let refusal = if self.is_of_supabase() { supabase::join_refusal(reason) } else { reason.payload() };
                    self.answer(&join_ref, &reference, &topic, Some(refusal));
                }
                Effect::Limited { topic: Name::Text(topic), .. } if self.is_of_supabase() => {
                    self.inform(&topic, Info::new(TooManyMessages));
                }
                Effect::Limited { join_ref, reference, topic } => {
                    if !reference.is_null() {
                        self.answer(&join_ref, &reference, &topic, Some(Reason::RateLimited.payload()));
                    }
                }
                Effect::Join(request) => self.channels.join(request),
                Effect::Message { key, event, payload, reference } => {
                    self.channels.message(key, event, payload, reference);
                }
                Effect::Leave { key, reference } => self.channels.leave(key, reference),
                Effect::Replace(key) => self.channels.replace(key),
            }
        }
    }

    fn answer(&self, join_ref: &Ref, reference: &Ref, topic: &Name, error: Option<Payload>) {
        let (status, response) = match error {
            None => ("ok", Payload::empty()),
            Some(response) => ("error", response),
        };
        self.send(Outgoing::Reply { join_ref, reference, topic, status, response: &response });
    }

    fn send(&self, message: Outgoing<'_>) {
        match Packet::encode(self.client().encoding(), message) {
            // A full outbox closes the connection by itself.
            Ok(packet) => drop(self.client().outbox().push(packet)),
            Err(error) => tracing::debug!(%error, "an answer could not be encoded"),
        }
    }
}
