//! Packets on their way to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::Packet;

/// How many frames leave in one system call.
const MAX_SLICES: usize = 64;

/// Packets in their order, the oldest first, of which some bytes may be out already.
///
/// Most often it is one packet, or none: these need no memory beside the list.
#[derive(Debug, Default)]
pub struct Packets {
    list: List,
    /// Bytes of the first packet that are written.
    begun: usize,
}

#[derive(Debug, Default)]
enum List {
    #[default]
    None,
    One(Packet),
    Many(VecDeque<Packet>),
}

impl Packets {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.list {
            List::None => 0,
            List::One(_) => 1,
            List::Many(packets) => packets.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The packets, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Packet> {
        let (one, many) = match &self.list {
            List::None => (None, None),
            List::One(packet) => (Some(packet), None),
            List::Many(packets) => (None, Some(packets)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The newest, unless a part of it is written.
    pub fn unbegun_back_mut(&mut self) -> Option<&mut Packet> {
        if self.begun > 0 && self.len() == 1 {
            return None;
        }
        match &mut self.list {
            List::None => None,
            List::One(packet) => Some(packet),
            List::Many(packets) => packets.back_mut(),
        }
    }

    /// Adds a packet behind the others.
    pub fn push_back(&mut self, packet: Packet) {
        self.list = match std::mem::take(&mut self.list) {
            List::None => List::One(packet),
            List::One(first) => List::Many(VecDeque::from([first, packet])),
            List::Many(mut packets) => {
                packets.push_back(packet);
                List::Many(packets)
            }
        }
    }

    /// Adds packets behind the others. None of them may be written in part, unless there are no others.
    pub fn append(&mut self, more: Self) {
        if self.is_empty() {
            *self = more;
        } else {
            more.into_iter().for_each(|packet| self.push_back(packet));
        }
    }

    /// Drops all but one that is written in part: without its rest nothing could follow it.
    pub fn discard_unwritten(&mut self) {
        self.list = match (self.begun, self.pop_front()) {
            (1.., Some(begun)) => List::One(begun),
            _ => List::None,
        }
    }

    /// Hands what is to be written next, as many frames as may leave at once, to a function.
    pub fn with_slices<R>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        match &self.list {
            List::None => write(&[]),
            List::One(packet) => write(&[IoSlice::new(&packet.frame()[self.begun..])]),
            List::Many(packets) => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                for (slice, packet) in slices.iter_mut().zip(packets) {
                    *slice = IoSlice::new(packet.frame());
                }
                slices[0].advance(self.begun);
                write(&slices[..packets.len().min(MAX_SLICES)])
            }
        }
    }

    /// Takes written bytes off the front; returns what the packets that are out cost, each `largest` at most.
    pub fn advance(&mut self, count: usize, largest: usize) -> usize {
        let mut cost = 0;
        self.begun += count;
        while let Some(first) = self.front()
            && first.frame().len() <= self.begun
        {
            let (len, charged) = (first.frame().len(), first.cost().min(largest));
            self.begun -= len;
            cost += charged;
            self.pop_front();
        }
        cost
    }

    fn front(&self) -> Option<&Packet> {
        match &self.list {
            List::None => None,
            List::One(packet) => Some(packet),
            List::Many(packets) => packets.front(),
        }
    }

    fn pop_front(&mut self) -> Option<Packet> {
        match &mut self.list {
            List::Many(packets) if packets.len() > 1 => packets.pop_front(),
            // With its last packet a list gives up its memory.
            _ => match std::mem::take(&mut self.list) {
                List::None => None,
                List::One(packet) => Some(packet),
                List::Many(mut packets) => packets.pop_front(),
            },
        }
    }
}

/// The packets, as if no byte of them were out.
#[derive(Debug)]
pub struct IntoIter(Packets);

impl Iterator for IntoIter {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        self.0.pop_front()
    }
}

impl IntoIterator for Packets {
    type Item = Packet;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn packets(frames: &[&'static str]) -> Packets {
        let mut packets = Packets::default();
        frames.iter().for_each(|frame| packets.push_back(Packet::control(Bytes::from_static(frame.as_bytes()))));
        packets
    }

    fn rest(packets: &Packets) -> String {
        packets.with_slices(|slices| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            String::from_utf8(bytes).unwrap()
        })
    }

    #[test]
    fn what_is_written_goes_from_the_front() {
        let mut packets = packets(&["ab", "cde", "f"]);
        let expected = ["abcdef", "bcdef", "cdef", "def", "ef", "f", ""];
        for rest_now in &expected[..6] {
            assert_eq!(rest(&packets), *rest_now);
            packets.advance(1, usize::MAX);
        }
        assert!(packets.is_empty() && rest(&packets).is_empty());
        packets.push_back(Packet::control(Bytes::from_static(b"xy")));
        assert_eq!(rest(&packets), "xy");
    }

    #[test]
    fn one_that_is_begun_is_neither_dropped_nor_replaced() {
        for (frames, written, left) in [(&["ab", "cd"][..], 1, "b"), (&["ab"], 1, "b"), (&["ab", "cd"], 2, "")] {
            let mut packets = packets(frames);
            packets.advance(written, usize::MAX);
            assert_eq!(packets.unbegun_back_mut().is_none(), frames.len() == 1);
            packets.discard_unwritten();
            assert_eq!(rest(&packets), left);
        }
    }

    #[test]
    fn lists_are_joined_in_order() {
        let mut joined = packets(&["a"]);
        joined.append(packets(&["b", "c"]));
        joined.append(packets(&[]));
        assert_eq!((joined.len(), rest(&joined)), (3, "abc".to_owned()));
        let frames: Vec<_> = joined.into_iter().map(|packet| packet.frame().clone()).collect();
        assert_eq!(frames, ["a", "b", "c"]);
    }

    #[test]
    fn no_more_leave_at_once_than_the_system_takes() {
        let many = packets(&["x"; MAX_SLICES + 1]);
        assert_eq!((many.len(), rest(&many).len()), (MAX_SLICES + 1, MAX_SLICES));
    }
}
