use proptest::prelude::*;

use super::*;

/// What a message says of itself.
type Name = (u32, u64);

/// The stream as the server has it, and what is on its way to the pod.
#[derive(Default)]
struct Server {
    epoch: u32,
    last: u64,
    kept: VecDeque<u64>,
    in_flight: VecDeque<Name>,
    /// A reading that was asked for, and its answer once the server has given it.
    asked: Option<(Option<Epoch>, u64)>,
    answer: Option<(Position, Vec<(u64, Name)>)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// A message is published; the pod may be cut off just then.
    Publish {
        heard: bool,
    },
    /// A live message arrives, usually the oldest.
    Arrive {
        which: usize,
        again: bool,
    },
    /// The pod hears the channel again.
    Resubscribed,
    /// The server answers a reading with so many messages at most.
    Answer {
        limit: usize,
    },
    /// The answer arrives, or does not.
    Receive {
        fails: bool,
    },
    /// Some of what was parked is handed out.
    Parked,
    Trim {
        to: usize,
    },
    NewEpoch,
}

fn name(epoch: u32) -> Epoch {
    Epoch::from(epoch.to_string().as_str())
}

impl Server {
    fn answer(&mut self, limit: usize) {
        let Some((epoch, after)) = self.asked.take() else { return };
        let after = if epoch.is_none_or(|epoch| epoch == name(self.epoch)) { after } else { 0 };
        let messages = self.kept.iter().filter(|offset| **offset > after).take(limit);
        let messages = messages.map(|offset| (*offset, (self.epoch, *offset))).collect();
        self.answer = Some((Position { epoch: name(self.epoch), offset: self.last }, messages));
    }
}

/// A pod with one subscriber who writes down what it gets.
#[derive(Default)]
struct Pod {
    sequence: Sequence<Name>,
    log: Vec<Entry>,
    /// A reading has just brought something.
    handing_out: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Message(Name),
    Lost,
}

impl Pod {
    fn hear(&mut self, (epoch, offset): Name) {
        match self.sequence.heard(name(epoch).as_str(), offset) {
            Verdict::Next => {
                self.log.push(Entry::Message((epoch, offset)));
                self.take_parked();
            }
            Verdict::Early => self.sequence.park(offset, 100, (epoch, offset)),
            Verdict::Known | Verdict::Elsewhere => {}
        }
    }

    fn take_parked(&mut self) {
        for (offset, message) in self.sequence.take_parked() {
            assert_eq!(offset, message.1);
            self.log.push(Entry::Message(message));
        }
    }

    fn receive(&mut self, (position, messages): (Position, Vec<(u64, Name)>)) {
        let caught = self.sequence.caught(position, messages);
        self.log.extend(caught.lost.then_some(Entry::Lost));
        self.log.extend(caught.messages.into_iter().map(|(_, message)| Entry::Message(message)));
    }

    fn step(&mut self, server: &mut Server, step: &Step) {
        match *step {
            Step::Publish { heard } => {
                server.last += 1;
                server.kept.push_back(server.last);
                server.in_flight.extend(heard.then_some((server.epoch, server.last)));
            }
            Step::Arrive { which, again } => {
                let which = which.min(server.in_flight.len().saturating_sub(1));
                let Some(message) = server.in_flight.get(which).copied() else { return };
                if !again {
                    server.in_flight.remove(which);
                }
                self.hear(message);
            }
            Step::Resubscribed => self.sequence.doubt(),
            Step::Answer { limit } => server.answer(limit),
            Step::Receive { fails } => match server.answer.take() {
                Some(_) if fails => {
                    self.sequence.failed();
                    self.sequence.end_reading();
                }
                Some(answer) => {
                    self.receive(answer);
                    self.handing_out = true;
                }
                None => {}
            },
            Step::Parked => self.take_parked(),
            Step::Trim { to } => server.kept.drain(..server.kept.len().saturating_sub(to)).for_each(drop),
            Step::NewEpoch => {
                (server.epoch, server.last) = (server.epoch + 1, 0);
                server.kept.clear();
            }
        }
        // Who has read hands out the rest at some later time.
        if !std::mem::replace(&mut self.handing_out, false) && server.asked.is_none() && server.answer.is_none() {
            self.sequence.end_reading();
            server.asked = self.sequence.begin_reading();
        }
    }

    /// Until nothing is on its way, and nothing is known to be missing.
    fn settle(&mut self, server: &mut Server) {
        self.step(server, &Step::Resubscribed);
        while server.asked.is_some() || server.answer.is_some() {
            self.step(server, &Step::Answer { limit: 3 });
            self.step(server, &Step::Receive { fails: false });
            self.step(server, &Step::Parked);
        }
    }
}

fn step(losses: bool) -> impl Strategy<Value = Step> {
    let losses = u32::from(losses);
    prop_oneof![
        8 => prop::bool::weighted(0.8).prop_map(|heard| Step::Publish { heard }),
        8 => (prop_oneof![4 => Just(0), 1 => 0..4_usize], prop::bool::weighted(0.15))
            .prop_map(|(which, again)| Step::Arrive { which, again }),
        1 => Just(Step::Resubscribed),
        2 => Just(Step::Parked),
        4 => (1..6_usize).prop_map(|limit| Step::Answer { limit }),
        4 => prop::bool::weighted(0.1).prop_map(|fails| Step::Receive { fails }),
        2 * losses => (0..5_usize).prop_map(|to| Step::Trim { to }),
        losses => Just(Step::NewEpoch),
    ]
}

/// Each message behind the one before it, unless something is said to be lost between them; none twice.
fn check(log: &[Entry], mut at: Name) -> Result<(), TestCaseError> {
    let (mut lost, mut seen) = (false, std::collections::HashSet::new());
    for entry in log {
        match *entry {
            Entry::Lost => lost = true,
            Entry::Message(message) => {
                prop_assert!(lost || message == (at.0, at.1 + 1), "{message:?} after {at:?} in {log:?}");
                prop_assert!(seen.insert(message), "{message:?} twice in {log:?}");
                (at, lost) = (message, false);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_interleaving_gives_the_exact_sequence_or_a_loss(
        before in 0..4_u64, steps in prop::collection::vec(step(true), 0..120),
    ) {
        let mut server = Server { last: before, kept: (1..=before).collect(), ..Server::default() };
        let mut pod = Pod::default();
        pod.settle(&mut server);
        for step in &steps {
            pod.step(&mut server, step);
        }
        pod.settle(&mut server);
        check(&pod.log, (0, before))?;
        let end = Position { epoch: name(server.epoch), offset: server.last };
        prop_assert_eq!(pod.sequence.position(), Some(&end), "{:?}", pod.log);
        if !pod.log.contains(&Entry::Lost) {
            let all: Vec<_> = (before + 1..=server.last).map(|offset| Entry::Message((0, offset))).collect();
            prop_assert_eq!(pod.log, all);
        }
    }

    #[test]
    fn nothing_is_lost_while_the_stream_has_it(steps in prop::collection::vec(step(false), 0..120)) {
        let (mut server, mut pod) = (Server::default(), Pod::default());
        // The first position is asked for while messages come.
        for step in &steps {
            pod.step(&mut server, step);
        }
        pod.settle(&mut server);
        prop_assert!(!pod.log.contains(&Entry::Lost), "{:?}", pod.log);
        let first = match pod.log.first() {
            Some(Entry::Message((_, offset))) => *offset,
            _ => server.last + 1,
        };
        let all: Vec<_> = (first..=server.last).map(|offset| Entry::Message((0, offset))).collect();
        prop_assert_eq!(pod.log, all);
    }
}

fn at(epoch: &str, offset: u64) -> Position {
    Position { epoch: Epoch::from(epoch), offset }
}

/// A sequence that stands somewhere.
fn standing(position: Position) -> Sequence<()> {
    let mut sequence = Sequence::new();
    assert_eq!(sequence.begin_reading(), Some((None, u64::MAX)));
    assert_eq!(sequence.caught(position, Vec::new()), Caught { lost: false, messages: Vec::new() });
    sequence.end_reading();
    assert_eq!(sequence.begin_reading(), None);
    sequence
}

#[test]
fn a_stream_that_went_back_has_lost_its_end() {
    let mut sequence = standing(at("e", 7));
    sequence.doubt();
    assert_eq!(sequence.begin_reading(), Some((Some(Epoch::from("e")), 7)));
    assert!(sequence.caught(at("e", 5), Vec::new()).lost);
    assert_eq!(sequence.position(), Some(&at("e", 5)));
}

#[test]
fn a_message_that_the_stream_does_not_know_is_a_loss() {
    let mut sequence = standing(at("e", 7));
    assert_eq!(sequence.heard("e", 9), Verdict::Early);
    sequence.park(9, 1, ());
    assert!(sequence.begin_reading().is_some());
    assert!(sequence.caught(at("e", 7), Vec::new()).lost);
    assert_eq!(sequence.position(), Some(&at("e", 7)));
    sequence.end_reading();
    assert_eq!(sequence.begin_reading(), None, "what was heard of another life is forgotten");
}

#[test]
fn what_waits_is_bounded_and_the_rest_is_read() {
    let mut sequence = standing(at("e", 0));
    for offset in 2..1000 {
        assert_eq!(sequence.heard("e", offset), Verdict::Early);
        sequence.park(offset, 1, ());
    }
    assert_eq!(sequence.parked.len(), MAX_PARKED);
    assert!(sequence.begin_reading().is_some());
    let caught = sequence.caught(at("e", 999), vec![(1, ())]);
    assert_eq!(caught.messages.len(), CHUNK.messages, "a part at a time");
    let mut taken = caught.messages.len();
    while sequence.is_behind() && sequence.begin_reading().is_none() {
        let chunk = sequence.take_parked();
        if chunk.is_empty() {
            sequence.end_reading();
            break;
        }
        assert!(chunk.len() <= CHUNK.messages);
        taken += chunk.len();
    }
    assert_eq!(taken, 1 + MAX_PARKED);
    assert_eq!(sequence.begin_reading(), Some((Some(Epoch::from("e")), 257)));
    let mut sequence = standing(at("e", 0));
    sequence.park(2, MAX_PARKED_BYTES + 1, ());
    assert!(sequence.parked.is_empty());
}

#[test]
fn large_messages_that_wait_come_a_few_at_a_time() {
    let mut sequence = standing(at("e", 0));
    for offset in 2..=9 {
        assert_eq!(sequence.heard("e", offset), Verdict::Early);
        sequence.park(offset, CHUNK.bytes / 2, ());
    }
    assert_eq!(sequence.heard("e", 1), Verdict::Next);
    for chunk in [2, 2, 2, 2, 0] {
        assert_eq!(sequence.take_parked().len(), chunk);
    }
    assert!(!sequence.is_behind());
}

#[test]
fn a_late_message_of_a_former_primary_ends_nothing() {
    let mut sequence = standing(at("new", 3));
    assert_eq!(sequence.heard("old", 90), Verdict::Elsewhere);
    assert!(sequence.begin_reading().is_some());
    assert!(!sequence.caught(at("new", 3), Vec::new()).lost);
    assert_eq!(sequence.heard("new", 4), Verdict::Next);
}
