//! Who is present: those who join in one turn get the state, the others one diff. No server can tell everybody with less.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::socket::frame;
use crate::client::{Message, Outgoing, Vsn, encode};

#[derive(Default)]
pub(super) struct Presences {
    topics: HashMap<String, Attendance>,
    tracked: u64,
}

#[derive(Default)]
struct Attendance {
    members: BTreeMap<usize, Member>,
    /// Who came, and who went, in this turn.
    joined: Vec<usize>,
    left: Vec<Member>,
}

struct Member {
    vsn: Vsn,
    join_ref: String,
    key: String,
    phx_ref: String,
}

impl Presences {
    /// A socket joins a topic; its key is the `user_id` of the join, else its own number.
    pub(super) fn join(&mut self, id: usize, vsn: Vsn, join: &Message<'_>) {
        let params: Value = serde_json::from_str(join.payload.get()).unwrap_or_default();
        let key = params["user_id"].as_str().map_or_else(|| id.to_string(), ToOwned::to_owned);
        self.tracked += 1;
        let phx_ref = format!("F{:015}", self.tracked);
        let join_ref = join.reference.as_deref().unwrap_or_default().to_owned();
        let of_topic = self.topics.entry(join.topic.as_ref().to_owned()).or_default();
        of_topic.members.insert(id, Member { vsn, join_ref, key, phx_ref });
        of_topic.joined.push(id);
    }

    /// A socket leaves a topic.
    pub(super) fn leave(&mut self, id: usize, topic: &str) {
        let Some(of_topic) = self.topics.get_mut(topic) else { return };
        let joined = of_topic.joined.iter().position(|joined| *joined == id);
        let was_shown = joined.map(|at| of_topic.joined.swap_remove(at)).is_none();
        of_topic.left.extend(of_topic.members.remove(&id).filter(|_| was_shown));
    }

    /// Tells everybody what has changed.
    pub(super) fn end_turn(&mut self, mut write: impl FnMut(usize, &[u8])) {
        for (topic, of_topic) in &mut self.topics {
            of_topic.tell(topic, &mut write);
        }
        self.topics.retain(|_, of_topic| !of_topic.members.is_empty());
    }
}

impl Attendance {
    fn tell(&mut self, topic: &str, write: &mut impl FnMut(usize, &[u8])) {
        let (joined, left) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.left));
        if joined.is_empty() && left.is_empty() {
            return;
        }
        let joins = people(joined.iter().filter_map(|id| self.members.get(id)));
        let diff = json!({ "joins": joins, "leaves": people(left.iter()) }).to_string();
        let state = if joined.is_empty() { String::new() } else { people(self.members.values()).to_string() };
        // Most frames are the same but for the socket.
        let mut frames = HashMap::new();
        for (id, member) in &self.members {
            let is_new = joined.contains(id);
            let join_ref = is_new.then_some(member.join_ref.as_str());
            let frame = frames.entry((member.vsn.as_str(), join_ref)).or_insert_with(|| {
                let (event, payload) = if is_new { ("presence_state", &state) } else { ("presence_diff", &diff) };
                frame(&encode(member.vsn, Outgoing { join_ref, reference: None, topic, event, payload }))
            });
            write(*id, frame);
        }
    }
}

fn people<'a>(members: impl Iterator<Item = &'a Member>) -> Value {
    let mut people = Map::new();
    for Member { key, phx_ref, .. } in members {
        let entry = people.entry(key.as_str()).or_insert_with(|| json!({ "metas": [] }));
        if let Some(metas) = entry["metas"].as_array_mut() {
            metas.push(json!({ "phx_ref": phx_ref }));
        }
    }
    Value::Object(people)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::decode;

    fn join(presences: &mut Presences, id: usize) {
        let text = format!(r#"["1","1","t","phx_join",{{"user_id":"u{id}"}}]"#);
        presences.join(id, Vsn::V2, &decode(Vsn::V2, text.as_bytes()).unwrap());
    }

    fn told(presences: &mut Presences) -> Vec<(usize, String)> {
        let mut told = Vec::new();
        presences.end_turn(|id, frame| told.push((id, String::from_utf8_lossy(&frame[2..]).into_owned())));
        told
    }

    #[test]
    fn who_is_new_gets_the_state_and_the_others_a_diff() {
        let mut presences = Presences::default();
        join(&mut presences, 1);
        let first = r#"["1",null,"t","presence_state",{"u1":{"metas":[{"phx_ref":"F000000000000001"}]}}]"#;
        assert_eq!(told(&mut presences), [(1, first.to_owned())]);
        join(&mut presences, 2);
        join(&mut presences, 3);
        presences.leave(3, "t");
        presences.leave(9, "t");
        let all = told(&mut presences);
        assert!(all[0].1.contains("presence_diff") && all[0].1.contains(r#""leaves":{}"#), "{all:?}");
        assert!(all[1].1.contains("presence_state") && !all[1].1.contains("u3") && all.len() == 2, "{all:?}");
        presences.leave(1, "t");
        assert!(told(&mut presences)[0].1.contains(r#""joins":{},"leaves":{"u1""#));
        assert_eq!(told(&mut presences), []);
    }
}
