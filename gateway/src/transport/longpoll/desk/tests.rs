use futures_util::FutureExt as _;

use super::*;
use crate::channel::{Assigns, ChannelMetrics, Endpoint, Transport};
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::outbox::{Budget, Outbox};
use crate::presence::{self, Presence};
use crate::pubsub::{self, PubSub};
use crate::wire::Vsn;

const WINDOW: Duration = Duration::from_secs(10);

fn desk() -> Arc<Desk> {
    let registry = prometheus::Registry::new();
    let metrics = pubsub::Metrics::register(&registry).unwrap();
    let pubsub = PubSub::memory(NodeId::random(), Arc::new(|_, _| {}), metrics, None);
    let metrics = presence::Metrics::register(&registry).unwrap();
    let presence = Presence::memory(&pubsub, &crate::config::Presence::default(), metrics, &Tasks::new());
    let metrics = Arc::new(ChannelMetrics::register(&registry).unwrap());
    let (endpoint, outbox) = (Endpoint::new(pubsub, presence, metrics), Arc::new(Outbox::new(1024, Budget::new(1024))));
    let client = Client::new(None, Assigns::default(), Vsn::V2, Transport::LongPoll, endpoint, outbox, None);
    let client = Arc::new(client);
    let entry = Entry::new(Arc::clone(&client), WINDOW * 2, 0);
    Desk::new(client, entry, Clock::start(), WINDOW, 1024)
}

fn give(desk: &Desk, messages: &'static [u8]) -> bool {
    desk.hand_over(|limit| Bytes::from_static(&messages[..messages.len().min(limit)]))
}

/// To another pod, with room for four bytes on the way.
fn onward(confirmed_by: Option<(NodeId, u64)>) -> Onward {
    Onward { way: Way::new(4), confirmed_by }
}

fn messages(messages: &'static [u8]) -> Answer {
    Answer::Messages(Bytes::from_static(messages))
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_dropped_leaves_its_messages_to_the_next() {
    let desk = desk();
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    drop(poll);
    assert!(!give(&desk, b"0"), "nobody is there");
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    assert!(give(&desk, b"1"));
    drop(poll);
    assert_eq!(desk.poll().await, messages(b"1"));
    assert_eq!(desk.entry.closing(), None);
}

#[tokio::test(start_paused = true)]
async fn messages_that_newer_ones_may_have_overtaken_end_the_session() {
    let desk = desk();
    let mut older = Box::pin(desk.poll());
    assert_eq!((&mut older).now_or_never(), None);
    assert!(give(&desk, b"1"));
    let mut newer = Box::pin(desk.poll());
    assert_eq!((&mut newer).now_or_never(), None);
    assert!(give(&desk, b"2"));
    drop(older);
    assert_eq!(desk.entry.closing(), Some(CloseReason::ClientGone));
    assert_eq!(newer.await, messages(b"2"), "it is on its way");
    let mut later = Box::pin(desk.poll());
    assert_eq!((&mut later).now_or_never(), Some(Answer::Gone));
    assert!(!give(&desk, b"3"), "nothing follows what is lost");
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_takes_the_place_and_the_older_one_waits_in_vain() {
    let desk = desk();
    let began = Instant::now();
    let mut older = Box::pin(desk.poll());
    assert_eq!((&mut older).now_or_never(), None);
    let mut newer = Box::pin(desk.poll());
    assert_eq!((&mut newer).now_or_never(), None);
    assert!(give(&desk, b"1") && !give(&desk, b"2"));
    assert_eq!(newer.await, messages(b"1"));
    assert_eq!((older.await, began.elapsed()), (Answer::Nothing, WINDOW));
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_end_of_the_window_is_not_lost() {
    let desk = desk();
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    tokio::time::advance(WINDOW).await;
    assert!(give(&desk, b"1"));
    assert_eq!(poll.await, messages(b"1"));
}

#[tokio::test(start_paused = true)]
async fn the_end_answers_all() {
    let desk = desk();
    let (mut poll, mut push) = (Box::pin(desk.poll()), Box::pin(desk.push(VecDeque::new())));
    assert_eq!(((&mut poll).now_or_never(), (&mut push).now_or_never()), (None, None));
    desk.end();
    assert_eq!((poll.await, push.await), (Answer::Gone, Answer::Gone));
    assert_eq!((desk.poll().await, desk.push(VecDeque::new()).await), (Answer::Gone, Answer::Gone));
}

#[tokio::test(start_paused = true)]
async fn bodies_wait_in_a_bounded_number_and_for_a_window() {
    let desk = desk();
    let mut pushes: Vec<_> = (0..MAX_PLACES).map(|_| Box::pin(desk.push(VecDeque::new()))).collect();
    assert!(pushes.iter_mut().all(|push| push.now_or_never().is_none()));
    assert_eq!(desk.push(VecDeque::new()).now_or_never(), Some(Answer::Late));
    let first = desk.next_push().unwrap();
    assert!(!first.is_given_up());
    first.done.send(()).unwrap();
    let second = desk.next_push().unwrap();
    let mut pushes = pushes.into_iter();
    assert_eq!(pushes.next().unwrap().await, Answer::Done);
    assert_eq!(pushes.next().unwrap().await, Answer::Late);
    assert!(second.is_given_up(), "its client was told, so the rest is dropped");
}

/// Messages for other pods leave the session when there is room on the way, and not before.
#[tokio::test(start_paused = true)]
async fn messages_wait_for_room_on_their_way() {
    let (one, other, onward) = (desk(), desk(), onward(None));
    let mut first = Box::pin(one.poll_by(Some(&onward)));
    let mut second = Box::pin(other.poll_by(Some(&onward)));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    assert!(give(&one, b"123"));
    assert!(!give(&other, b"45"), "they stay where they are");
    let (answer, room) = first.await;
    assert_eq!(answer, messages(b"123"));
    assert!((&mut second).now_or_never().is_none());
    assert!(!give(&other, b"456"), "nobody takes them before there is room");
    drop(room);
    assert!((&mut second).now_or_never().is_none());
    // As many as it has room for.
    assert!(give(&other, b"456"));
    let (answer, room) = second.await;
    assert_eq!((answer, room.map(|room| room.bytes())), (messages(b"45"), Some(2)));
    // A client of this pod needs none.
    let _all = onward.way.try_room(4);
    let mut here = Box::pin(one.poll());
    assert_eq!((&mut here).now_or_never(), None);
    assert!(give(&one, b"6"));
    assert_eq!(here.await, messages(b"6"));
}

#[tokio::test(start_paused = true)]
async fn without_room_in_time_a_poll_gets_nothing_and_nothing_is_lost() {
    let (desk, onward, began) = (desk(), onward(None), Instant::now());
    let all = onward.way.try_room(4);
    let mut poll = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut poll).now_or_never().is_none());
    assert!(!give(&desk, b"1"));
    assert_eq!((poll.await.0, began.elapsed()), (Answer::Nothing, WINDOW));
    // What a poll left behind waits for room, too.
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    assert!(give(&desk, b"2"));
    drop(poll);
    assert_eq!(desk.poll_by(Some(&onward)).await.0, Answer::Nothing);
    drop(all);
    assert_eq!(desk.poll_by(Some(&onward)).await.0, messages(b"2"));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_waits_for_room_gives_way_to_a_newer_one_and_to_the_end() {
    let (desk, onward) = (desk(), onward(None));
    let all = onward.way.try_room(4);
    let mut older = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut older).now_or_never().is_none());
    assert!(!give(&desk, b"1"));
    assert!((&mut older).now_or_never().is_none());
    let mut newer = Box::pin(desk.poll());
    assert_eq!((&mut newer).now_or_never(), None);
    drop(all);
    assert!((&mut older).now_or_never().is_none());
    assert!(give(&desk, b"1"));
    assert_eq!((newer.await, older.await.0), (messages(b"1"), Answer::Nothing));

    let all = onward.way.try_room(4);
    let mut poll = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut poll).now_or_never().is_none());
    assert!(!give(&desk, b"1"));
    assert!((&mut poll).now_or_never().is_none());
    desk.end();
    drop(all);
    assert_eq!(poll.await.0, Answer::Gone);
}

/// A poll that is sent again, since the pod that had its answer died, does not pass over that answer.
#[tokio::test(start_paused = true)]
async fn a_poll_waits_until_what_another_pod_was_given_is_passed_on() {
    let (desk, began) = (desk(), Instant::now());
    let (ours, another) = ((NodeId::random(), 1), (NodeId::random(), 1));
    let onward = onward(Some(ours.clone()));
    let mut there = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut there).now_or_never().is_none());
    assert!(give(&desk, b"1"));
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    assert!(!give(&desk, b"2"));
    assert_eq!(there.await.0, messages(b"1"));
    desk.passed_on(&another);
    assert_eq!((&mut poll).now_or_never(), None);
    assert!(!give(&desk, b"2"), "that was another one");
    desk.passed_on(&ours);
    assert_eq!((&mut poll).now_or_never(), None);
    assert!(give(&desk, b"2"));
    assert_eq!((poll.await, desk.entry.closing()), (messages(b"2"), None));

    let mut there = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut there).now_or_never().is_none());
    assert!(give(&desk, b"3"));
    assert_eq!(there.await.0, messages(b"3"));
    assert_eq!((desk.poll().await, began.elapsed()), (Answer::Gone, CONFIRMATION));
    assert_eq!(desk.entry.closing(), Some(CloseReason::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn what_a_poll_by_another_pod_leaves_behind_needs_no_confirmation() {
    let (desk, onward) = (desk(), onward(Some((NodeId::random(), 1))));
    let mut there = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut there).now_or_never().is_none());
    assert!(give(&desk, b"1"));
    drop(there);
    assert_eq!(desk.poll().now_or_never(), Some(messages(b"1")));
    // Until another pod takes it.
    let mut there = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut there).now_or_never().is_none());
    assert!(give(&desk, b"2"));
    drop(there);
    let (answer, _room) = desk.poll_by(Some(&onward)).now_or_never().unwrap();
    assert_eq!(answer, messages(b"2"));
    assert_eq!(desk.poll().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn the_end_answers_a_poll_that_waits_for_another_pod() {
    let (desk, onward, began) = (desk(), onward(Some((NodeId::random(), 1))), Instant::now());
    let mut there = Box::pin(desk.poll_by(Some(&onward)));
    assert!((&mut there).now_or_never().is_none());
    assert!(give(&desk, b"1"));
    assert_eq!(there.await.0, messages(b"1"));
    let mut poll = Box::pin(desk.poll());
    assert_eq!((&mut poll).now_or_never(), None);
    desk.end();
    assert_eq!((poll.await, began.elapsed()), (Answer::Gone, Duration::ZERO));
}
