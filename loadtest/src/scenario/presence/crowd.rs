//! All clients: applies what they hear, and knows when it is what they should hear.

use std::collections::HashMap;

use serde::Serialize;

use super::heard::{Heard, What, hear};
use super::layout::{ChannelId, Layout};
use super::roster::{Faults, Names, Roster};
use crate::client::{Endpoints, TopicPattern, Vsn};
use crate::error::Error;
use crate::fleet::{ConnectionId, Event, FleetConfig, Handler, connection_error};

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everybody sees everybody; `false` where the server tells nobody who is present.
    Together(bool),
    /// Those who stay see nobody else.
    Apart,
    /// A node was killed: nobody sees its clients. Which one, the first connection that is lost tells.
    Bereft(Option<usize>),
}

/// What the clients have received.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Traffic {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) states: u64,
    pub(super) diffs: u64,
}

impl Traffic {
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            states: self.states - before.states,
            diffs: self.diffs - before.diffs,
        }
    }
}

pub(super) struct Crowd {
    layout: Layout,
    vsn: Vsn,
    endpoints: Endpoints,
    topics: Vec<String>,
    numbers: HashMap<String, usize>,
    names: Vec<Names>,
    rosters: Vec<Roster>,
    /// Whose channel is open, as far as the client knows.
    open: Vec<bool>,
    phase: Phase,
    /// Of the current join or leave.
    reference: String,
    pub(super) answered: usize,
    /// Channels that show what they should, and how many there are to do so.
    pub(super) complete: usize,
    pub(super) wanted: usize,
    pub(super) traffic: Traffic,
    pub(super) faults: Faults,
    failure: Option<Error>,
}

impl Crowd {
    pub(super) fn new(layout: Layout, config: &FleetConfig, topic: &str) -> Self {
        let pattern = TopicPattern::new(topic, 1);
        let topics: Vec<String> = (0..layout.topics).map(|number| pattern.topic(number)).collect();
        Self {
            layout,
            vsn: config.vsn,
            endpoints: config.endpoints.clone(),
            numbers: topics.iter().enumerate().map(|(number, topic)| (topic.clone(), number)).collect(),
            names: topics.iter().map(|_| Names::default()).collect(),
            topics,
            rosters: (0..layout.channels()).map(|_| Roster::default()).collect(),
            open: vec![false; layout.channels()],
            phase: Phase::Together(false),
            reference: String::new(),
            answered: 0,
            complete: 0,
            wanted: 0,
            traffic: Traffic::default(),
            faults: Faults::default(),
            failure: None,
        }
    }

    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    pub(super) fn topic_of(&self, channel: ChannelId) -> &str {
        &self.topics[self.layout.topic(channel)]
    }

    /// Waits for something else from now on; `reference` is that of the joins or leaves that lead there.
    pub(super) fn begin(&mut self, phase: Phase, reference: &str) {
        (self.phase, self.answered) = (phase, 0);
        reference.clone_into(&mut self.reference);
        self.count();
    }

    /// A client joins.
    pub(super) fn enters(&mut self, channel: ChannelId) {
        let fitted = self.fits(channel);
        self.rosters[channel].clear();
        self.open[channel] = true;
        self.recount(channel, fitted);
    }

    /// A client leaves: what it still hears is not for it.
    pub(super) fn leaves(&mut self, channel: ChannelId) {
        self.open[channel] = false;
    }

    /// Whether all is as it should be.
    pub(super) fn is_done(&self) -> bool {
        self.phase != Phase::Bereft(None) && self.complete == self.wanted
    }

    /// How many clients show others than the first of their topic does.
    pub(super) fn differing(&self) -> usize {
        let mut first = vec![None; self.layout.topics];
        let differs = |channel: &ChannelId| {
            let first = first[self.layout.topic(*channel)].get_or_insert(*channel);
            !self.rosters[*channel].is_same(&self.rosters[*first])
        };
        (0..self.layout.channels()).filter(differs).count()
    }

    fn count(&mut self) {
        let channels = 0..self.layout.channels();
        self.wanted = channels.clone().filter(|channel| self.should_show(*channel).is_some()).count();
        self.complete = channels.filter(|channel| self.fits(*channel)).count();
    }

    fn recount(&mut self, channel: ChannelId, fitted: bool) {
        self.complete += usize::from(self.fits(channel));
        self.complete -= usize::from(fitted);
    }

    fn fits(&self, channel: ChannelId) -> bool {
        self.should_show(channel) == Some(self.rosters[channel].count())
    }

    /// How many clients a channel should show; None: that does not matter.
    fn should_show(&self, channel: ChannelId) -> Option<usize> {
        let Layout { clients, nodes, .. } = self.layout;
        let connection = self.layout.connection(channel);
        match self.phase {
            Phase::Together(presence) => presence.then_some(clients),
            Phase::Apart => self.layout.stays(connection).then_some(nodes),
            Phase::Bereft(None) => None,
            Phase::Bereft(Some(lost)) => {
                let alive = self.layout.node(connection) != lost;
                alive.then(|| self.layout.clients_elsewhere(self.layout.topic(channel), lost))
            }
        }
    }

    fn on_text(&mut self, id: ConnectionId, text: &[u8]) {
        self.traffic.frames += 1;
        self.traffic.bytes += text.len() as u64;
        let Some(Heard { topic, what }) = hear(self.vsn, text) else { return };
        self.traffic.states += u64::from(matches!(what, What::State(_)));
        self.traffic.diffs += u64::from(matches!(what, What::Diff { .. }));
        let Some(number) = self.numbers.get(&*topic).copied() else { return };
        let Some(channel) = self.layout.channel(id, number) else { return };
        let (names, faults) = (&mut self.names[number], &mut self.faults);
        match what {
            What::Reply { reference, refused } => {
                if reference.as_deref() == Some(&*self.reference) {
                    self.answered += 1;
                    if let Some(reason) = refused {
                        self.failure.get_or_insert(Error::JoinRefused { topic: topic.into_owned(), reason });
                    }
                }
            }
            What::State(all) if self.open[channel] => {
                let all = names.number(&all, faults);
                self.change(channel, |roster, faults| roster.state(&all, faults));
            }
            What::Diff { joins, leaves } if self.open[channel] => {
                let (joins, leaves) = (names.number(&joins, faults), names.number(&leaves, faults));
                self.change(channel, |roster, faults| roster.diff(joins, leaves, faults));
            }
            What::State(_) | What::Diff { .. } | What::Other => {}
        }
    }

    fn change(&mut self, channel: ChannelId, change: impl FnOnce(&mut Roster, &mut Faults)) {
        let fitted = self.fits(channel);
        change(&mut self.rosters[channel], &mut self.faults);
        self.recount(channel, fitted);
    }
}

impl Handler for Crowd {
    fn on_event(&mut self, id: ConnectionId, event: Event<'_>, _: &mut Vec<String>) {
        match (event, self.phase) {
            (Event::Open, _) => {}
            (Event::Text(text), _) => self.on_text(id, text),
            (Event::Gone(_), Phase::Bereft(None)) => {
                self.phase = Phase::Bereft(Some(self.layout.node(id)));
                self.count();
            }
            (Event::Gone(_), Phase::Bereft(Some(lost))) if lost == self.layout.node(id) => {}
            (Event::Gone(reason), _) => {
                let error = connection_error(&self.endpoints, id, reason);
                self.failure.get_or_insert(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Endpoint;

    /// Four clients of one topic on two nodes, all joined and shown to each other.
    fn together() -> Crowd {
        let node = |port: u16| Endpoint::parse(&format!("ws://127.0.0.1:{port}/s"), Vsn::V2).unwrap();
        let endpoints = Endpoints::one(node(1)).and(node(2));
        let config = FleetConfig { endpoints, vsn: Vsn::V2, heartbeat: Duration::ZERO, sources: Vec::new() };
        let layout = Layout { nodes: 2, clients: 4, topics: 1, per_connection: 1 };
        let mut crowd = Crowd::new(layout, &config, "t");
        crowd.begin(Phase::Together(true), "1");
        (0..4).for_each(|channel| crowd.enters(channel));
        for id in 0..4 {
            hears(&mut crowd, id, r#"["1","1","t","phx_reply",{"status":"ok","response":{}}]"#);
            assert!(!crowd.is_done());
            let all: Vec<String> = (0..4).map(|n| format!(r#""u{n}":{{"metas":[{{"phx_ref":"r{n}"}}]}}"#)).collect();
            hears(&mut crowd, id, &format!(r#"["1",null,"t","presence_state",{{{}}}]"#, all.join(",")));
        }
        assert!(crowd.is_done() && crowd.answered == 4 && crowd.differing() == 0);
        crowd
    }

    fn hears(crowd: &mut Crowd, id: ConnectionId, text: &str) {
        crowd.on_event(id, Event::Text(text.as_bytes()), &mut Vec::new());
    }

    fn leaves(gone: &[usize]) -> String {
        let gone: Vec<String> = gone.iter().map(|n| format!(r#""u{n}":{{"metas":[{{"phx_ref":"r{n}"}}]}}"#)).collect();
        format!(r#"[null,null,"t","presence_diff",{{"joins":{{}},"leaves":{{{}}}}}]"#, gone.join(","))
    }

    #[test]
    fn those_who_stay_wait_until_they_see_each_other_only() {
        let mut crowd = together();
        crowd.begin(Phase::Apart, "leave1");
        (2..4).for_each(|channel| crowd.leaves(channel));
        hears(&mut crowd, 0, &leaves(&[2, 3]));
        assert!(!crowd.is_done());
        hears(&mut crowd, 3, &leaves(&[2, 3]));
        hears(&mut crowd, 1, &leaves(&[3]));
        assert_eq!((crowd.is_done(), crowd.differing()), (false, 3));
        hears(&mut crowd, 1, &leaves(&[2]));
        assert!(crowd.is_done());
        assert_eq!((crowd.traffic.states, crowd.traffic.diffs, crowd.faults), (4, 4, Faults::default()));
    }

    #[test]
    fn the_first_connection_that_is_lost_tells_which_node_was_killed() {
        let mut crowd = together();
        crowd.begin(Phase::Bereft(None), "");
        assert!(!crowd.is_done());
        for id in [1, 3] {
            crowd.on_event(id, Event::Gone("reset".to_owned()), &mut Vec::new());
            assert_eq!((crowd.is_done(), crowd.wanted), (false, 2));
        }
        hears(&mut crowd, 0, &leaves(&[1, 3]));
        hears(&mut crowd, 2, &leaves(&[3, 1]));
        assert!(crowd.is_done() && crowd.take_failure().is_none());
        crowd.on_event(2, Event::Gone("reset".to_owned()), &mut Vec::new());
        assert!(crowd.take_failure().is_some());
    }
}
