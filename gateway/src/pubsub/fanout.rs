//! One message to all subscribers of a topic on this pod: encoded and compressed at most once per encoding, never waiting.

use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;

use super::backend::Inbound;
use super::listener::{Listener, Way};
use super::message::{Delivery, Received};
use crate::outbox::{Batch, Outbox, Packet};
use crate::wire::{Compression, Encoding, Outgoing, Payload};

/// Hands a message to everybody but the excluded one. How many took it.
pub(super) fn deliver(subscribers: &Slab<Listener>, topic: &Arc<str>, message: &Inbound<'_>) -> usize {
    let mut forms = Forms::new(topic, message);
    subscribers.iter().map(|(_, subscriber)| usize::from(forms.hand_to(subscriber))).sum()
}

/// Hands a message to one subscriber. Whether it took it.
pub(super) fn deliver_to(subscriber: &Listener, topic: &Arc<str>, message: &Inbound<'_>) -> bool {
    Forms::new(topic, message).hand_to(subscriber)
}

/// The message in the forms that its subscribers need, each made when the first one needs it.
struct Forms<'a> {
    topic: &'a Arc<str>,
    message: &'a Inbound<'a>,
    /// `Some(None)`: this encoding cannot carry the message.
    packets: [Option<Option<Packet>>; Encoding::COUNT],
    received: Option<Arc<Received>>,
    batch: Batch,
}

impl<'a> Forms<'a> {
    fn new(topic: &'a Arc<str>, message: &'a Inbound<'a>) -> Self {
        Self { topic, message, packets: [const { None }; Encoding::COUNT], received: None, batch: Batch::default() }
    }

    /// Whether the subscriber took it.
    fn hand_to(&mut self, subscriber: &Listener) -> bool {
        if self.message.exclude == Some(subscriber.id) {
            return false;
        }
        let delivery = match &subscriber.way {
            Way::Fastlane { encoding, outbox } => return self.push(*encoding, outbox),
            Way::Other(delivery) => &**delivery,
        };
        match delivery {
            Delivery::Intercepted { events, receiver, .. }
                if events.iter().any(|event| **event == self.message.event) || receiver.holds_all() =>
            {
                receiver.receive(self.received());
                true
            }
            Delivery::Fastlane { encoding, outbox, .. } | Delivery::Intercepted { encoding, outbox, .. } => {
                self.push(*encoding, outbox)
            }
            Delivery::Receiver(receiver) => {
                receiver.receive(self.received());
                true
            }
        }
    }

    /// Whether the connection took it. One whose queue is full is closed by its own task; one that speaks version 1 is
    /// left out of binary messages (checklist row 166).
    fn push(&mut self, encoding: Encoding, outbox: &Arc<Outbox>) -> bool {
        let packet = match encoding.compression {
            Compression::None => self.plain(encoding),
            _ => self.compressed(encoding),
        };
        let Some(packet) = packet.cloned() else { return false };
        self.batch.push(outbox, packet).is_ok()
    }

    fn plain(&mut self, encoding: Encoding) -> Option<&Packet> {
        let Inbound { topic, event, payload, kept, .. } = self.message;
        let offset = kept.map(|kept| kept.offset);
        let packet = self.packets[encoding.index()].get_or_insert_with(|| {
            Packet::encode(encoding, Outgoing::Broadcast { topic, event, payload, offset }).ok()
        });
        packet.as_ref()
    }

    /// Made of the plain one, which others may need too.
    fn compressed(&mut self, encoding: Encoding) -> Option<&Packet> {
        if self.packets[encoding.index()].is_none() {
            let plain = self.plain(encoding.uncompressed());
            let packet = plain.map(|packet| packet.compressed(encoding.compression));
            self.packets[encoding.index()] = Some(packet);
        }
        self.packets[encoding.index()].as_ref()?.as_ref()
    }

    fn received(&mut self) -> &Arc<Received> {
        self.received.get_or_insert_with(|| {
            let Inbound { event, payload, kept, .. } = self.message;
            let offset = kept.map(|kept| kept.offset);
            // A copy: the receiver may keep it, and a slice would keep the whole read buffer of the connection.
            let payload = match payload {
                Payload::Json(json) => Payload::Json(Bytes::copy_from_slice(json)),
                Payload::Binary(bytes) => Payload::Binary(Bytes::copy_from_slice(bytes)),
            };
            Arc::new(Received { topic: self.topic.clone(), event: (&**event).into(), payload, offset })
        })
    }
}
