use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::answer::Answer;
use super::body;
use super::desk::{Desk, Onward};
use super::forward::Forwarder;
use super::letter::{Letter, Request};
use super::sessions::Sessions;
use super::token::SessionId;
use super::way::Way;
use crate::ids::NodeId;
use crate::lifecycle::Tasks;
use crate::pubsub::PubSub;

/// How many requests of other pods are served at once; what comes beyond is dropped, and those pods give up in time.
const MAX_SERVED: usize = 65_536;

/// How many bytes of answers may be on their way to other pods: Redis drops subscribers for whom too much waits. Messages
/// that find no room stay in their sessions, and a poll that finds none in its window gets none.
const MAX_BYTES: u32 = 8 * 1024 * 1024;

/// Serves other pods whose clients have their session here. Clones share everything.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    pubsub: PubSub,
    sessions: Arc<Sessions>,
    forwarder: Arc<Forwarder>,
    tasks: Tasks,
    places: Arc<Semaphore>,
    way: Way,
    /// The polls that wait, and how they are called back.
    polls: Mutex<HashMap<(NodeId, u64), oneshot::Sender<()>>>,
}

impl Server {
    pub(super) fn new(pubsub: PubSub, sessions: Arc<Sessions>, forwarder: Arc<Forwarder>, tasks: Tasks) -> Self {
        let (places, way, polls) = (Arc::new(Semaphore::new(MAX_SERVED)), Way::new(MAX_BYTES), Mutex::default());
        Self(Arc::new(Inner { pubsub, sessions, forwarder, tasks, places, way, polls }))
    }

    /// Takes a letter. Does not wait.
    pub(super) fn receive(&self, letter: &Bytes) {
        match Letter::decode(letter) {
            Some(Letter::Answer { from, id, session, answer }) => {
                self.0.forwarder.answered(&from, id, &session, answer);
            }
            Some(Letter::Lost { session }) => {
                if let Some(desk) = self.0.sessions.find(&SessionId::from(&*session)) {
                    desk.break_off();
                }
            }
            Some(Letter::Passed { from, id, session }) => {
                if let Some(desk) = self.0.sessions.find(&SessionId::from(&*session)) {
                    desk.passed_on(&(from, id));
                }
            }
            Some(Letter::Cancel { from, id }) => drop(self.0.polls.lock().remove(&(from, id))),
            Some(Letter::Request { from, id, session, request }) => {
                let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
                    return tracing::warn!("too many requests from other pods: one is dropped");
                };
                let desk = self.0.sessions.find(&SessionId::from(&*session));
                let poll =
                    (desk.is_some() && matches!(request, Request::Poll { .. })).then(|| self.expect(from.clone(), id));
                let this = self.clone();
                self.0.tasks.spawn_until_stop(async move {
                    this.serve(from, id, &session, desk, request, poll).await;
                    drop(place);
                });
            }
            Some(Letter::Ping) => {}
            None => tracing::warn!("dropped a letter of another pod that cannot be read"),
        }
    }

    /// Before the letter behind it is read, which may call it back.
    fn expect(&self, from: NodeId, id: u64) -> oneshot::Receiver<()> {
        let (call, called_back) = oneshot::channel();
        self.0.polls.lock().insert((from, id), call);
        called_back
    }

    async fn serve(
        &self,
        from: NodeId,
        id: u64,
        session: &str,
        desk: Option<Arc<Desk>>,
        request: Request,
        called_back: Option<oneshot::Receiver<()>>,
    ) {
        let mut room = None;
        let answer = match (&desk, request, called_back) {
            (Some(desk), Request::Push { lines, body }, _) => match body::frames(&body, lines, desk.max_frame()) {
                Ok(frames) => desk.push(frames).await,
                // The other pod has looked at it.
                Err(_) => Answer::Late,
            },
            (Some(desk), Request::Poll { confirms }, Some(called_back)) => {
                let onward = Onward { way: self.0.way.clone(), confirmed_by: confirms.then(|| (from.clone(), id)) };
                let answer;
                (answer, room) = tokio::select! {
                    polled = desk.poll_by(Some(&onward)) => polled,
                    _ = called_back => (Answer::Nothing, None),
                };
                self.0.polls.lock().remove(&(from.clone(), id));
                answer
            }
            _ => Answer::Gone,
        };
        let (here, session) = (self.0.forwarder.node().clone(), session.to_owned());
        let letter = Letter::Answer { from: here, id, session, answer: answer.clone() }.encode();
        let heard = self.0.pubsub.send_letter(&from, letter).await;
        drop(room);
        // Messages that are lost, or may be: the client must not go on as if it had them.
        if let (Some(desk), Answer::Messages(_)) = (desk, answer)
            && !heard.is_ok_and(|heard| heard > 0)
        {
            desk.break_off();
        }
    }
}
