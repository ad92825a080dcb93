//! Which channels one connection should receive, what was asked of the server, and what it has confirmed. Pure.

use std::collections::HashMap;
use std::sync::Arc;

/// The channels of one connection.
#[derive(Debug, Default)]
pub(super) struct Channels {
    known: HashMap<Arc<str>, Channel>,
    /// Those whose commands do not say yet what is wanted; each once at most.
    changed: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct Channel {
    wanted: bool,
    /// Whether the last command on this connection was to subscribe.
    asked: bool,
    /// Commands that the server has not answered. Answers carry no number: only after the last one is the state known.
    unanswered: u32,
    live: bool,
    changed: bool,
}

/// Commands that bring the connection to what is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) subscribe: Vec<Arc<str>>,
    pub(super) unsubscribe: Vec<Arc<str>>,
}

impl Channels {
    /// Wants a channel. Whether it is received already.
    pub(super) fn want(&mut self, name: &str) -> bool {
        let (name, channel) = self.entry(name);
        channel.wanted = true;
        channel.live = channel.asked && channel.unanswered == 0;
        let live = channel.live;
        self.note(name);
        live
    }

    /// No longer wants a channel. Whether it was received.
    pub(super) fn unwant(&mut self, name: &str) -> bool {
        if !self.known.contains_key(name) {
            return false;
        }
        let (name, channel) = self.entry(name);
        channel.wanted = false;
        let was_live = std::mem::replace(&mut channel.live, false);
        self.note(name);
        was_live
    }

    /// What to tell the server; it counts as told.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for name in std::mem::take(&mut self.changed) {
            let Some(channel) = self.known.get_mut(&name) else { continue };
            channel.changed = false;
            match (channel.wanted, channel.asked) {
                (true, false) => changes.subscribe.push(name),
                (false, true) => changes.unsubscribe.push(name),
                (false, false) if channel.unanswered == 0 => {
                    self.known.remove(&name);
                    continue;
                }
                _ => continue,
            }
            channel.asked = channel.wanted;
            channel.unanswered += 1;
        }
        changes
    }

    /// The server answered one command. The channel, if it is received from now on.
    pub(super) fn answered(&mut self, name: &str) -> Option<Arc<str>> {
        let channel = self.known.get_mut(name)?;
        channel.unanswered = channel.unanswered.saturating_sub(1);
        if channel.unanswered > 0 {
            return None;
        }
        if channel.wanted && channel.asked {
            channel.live = true;
            return self.known.get_key_value(name).map(|(name, _)| name.clone());
        }
        if !channel.wanted && !channel.asked && !channel.changed {
            self.known.remove(name);
        }
        None
    }

    /// The server refused one command: the channel does not belong there. Whether it is to be placed anew, and is forgotten
    /// here; what was said later about it decides.
    pub(super) fn refused(&mut self, name: &str) -> bool {
        let Some(channel) = self.known.get_mut(name) else { return false };
        channel.unanswered = channel.unanswered.saturating_sub(1);
        if channel.unanswered > 0 || (channel.wanted && !channel.asked) {
            return false;
        }
        self.known.remove(name).is_some_and(|channel| channel.wanted)
    }

    /// Whether the server ended a channel that it was not asked to end: its slot has moved.
    pub(super) fn is_unasked_end(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|channel| channel.asked && channel.unanswered == 0)
    }

    /// Forgets a channel altogether.
    pub(super) fn forget(&mut self, name: &str) {
        self.known.remove(name);
    }

    /// The connection fell. The channels that were received; all that are wanted are to be asked for again.
    pub(super) fn fallen(&mut self) -> Vec<Arc<str>> {
        self.changed.clear();
        self.known.retain(|_, channel| channel.wanted);
        let mut interrupted = Vec::new();
        for (name, channel) in &mut self.known {
            if channel.live {
                interrupted.push(name.clone());
            }
            *channel = Channel { wanted: true, changed: true, ..Channel::default() };
            self.changed.push(name.clone());
        }
        interrupted
    }

    fn entry(&mut self, name: &str) -> (Arc<str>, &mut Channel) {
        let name = self.known.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone());
        let channel = self.known.entry(Arc::clone(&name)).or_default();
        (name, channel)
    }

    fn note(&mut self, name: Arc<str>) {
        if let Some(channel) = self.known.get_mut(&name)
            && !std::mem::replace(&mut channel.changed, true)
        {
            self.changed.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[Arc<str>]) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    #[test]
    fn a_channel_is_live_once_the_server_says_so() {
        let mut channels = Channels::default();
        assert!(!channels.want("a"));
        assert!(!channels.want("a"), "wanted twice, asked for once");
        assert_eq!(names(&channels.take_changes().subscribe), ["a"]);
        assert_eq!(channels.take_changes(), Changes::default());
        assert_eq!(channels.answered("a").as_deref(), Some("a"));
        assert!(channels.want("a"));
    }

    #[test]
    fn an_older_answer_proves_nothing() {
        let mut channels = Channels::default();
        channels.want("a");
        channels.take_changes();
        channels.unwant("a");
        assert_eq!(names(&channels.take_changes().unsubscribe), ["a"]);
        channels.want("a");
        assert_eq!(names(&channels.take_changes().subscribe), ["a"]);
        assert_eq!(channels.answered("a"), None, "answers the first SUBSCRIBE");
        assert_eq!(channels.answered("a"), None, "answers the UNSUBSCRIBE");
        assert_eq!(channels.answered("a").as_deref(), Some("a"));
    }

    #[test]
    fn a_change_of_mind_costs_nothing() {
        let mut channels = Channels::default();
        channels.want("a");
        channels.take_changes();
        channels.answered("a");
        channels.unwant("a");
        assert!(channels.want("a"), "nothing was told to the server");
        assert_eq!(channels.take_changes(), Changes::default());
        channels.want("b");
        channels.unwant("b");
        assert_eq!(channels.take_changes(), Changes::default());
        assert_eq!(channels.known.len(), 1);
    }

    #[test]
    fn what_is_unwanted_is_forgotten() {
        let mut channels = Channels::default();
        channels.want("a");
        channels.take_changes();
        channels.answered("a");
        channels.unwant("a");
        channels.take_changes();
        assert_eq!(channels.answered("a"), None);
        assert!(channels.known.is_empty());
    }

    #[test]
    fn after_a_fall_all_wanted_channels_are_asked_for_again() {
        let mut channels = Channels::default();
        for name in ["live", "asked", "left"] {
            channels.want(name);
        }
        channels.take_changes();
        channels.answered("live");
        channels.answered("left");
        channels.unwant("left");
        channels.want("new");
        assert_eq!(names(&channels.fallen()), ["live"]);
        let mut again = channels.take_changes();
        again.subscribe.sort();
        assert_eq!(names(&again.subscribe), ["asked", "live", "new"]);
        assert!(again.unsubscribe.is_empty());
        assert!(!channels.want("live"));
    }

    #[test]
    fn what_is_refused_is_placed_anew_if_it_is_still_wanted() {
        let mut channels = Channels::default();
        assert!(!channels.refused("unknown"));
        for name in ["wanted", "left", "back"] {
            channels.want(name);
        }
        channels.take_changes();
        channels.unwant("left");
        channels.unwant("back");
        channels.take_changes();
        channels.want("back");
        assert!(channels.refused("wanted"));
        assert!(!channels.refused("left") && !channels.refused("left"), "nobody wants it");
        assert!(!channels.refused("back") && !channels.refused("back"), "it is asked for again first");
        assert_eq!(names(&channels.take_changes().subscribe), ["back"]);
        assert!(channels.refused("back"));
        assert!(channels.known.is_empty());
    }

    #[test]
    fn an_end_that_nobody_asked_for_is_noticed() {
        let mut channels = Channels::default();
        channels.want("a");
        channels.take_changes();
        assert!(!channels.is_unasked_end("a"), "the answer is not there yet");
        channels.answered("a");
        assert!(channels.is_unasked_end("a"));
        channels.forget("a");
        assert!(!channels.is_unasked_end("a"));
    }
}
