use std::sync::Arc;

use super::archive::{Archive, Author};
use super::attendance::Attendance;
use super::membership;
use super::permit::permit;
use super::renewal::{ACCESS_TOKEN, renew};
use crate::auth::{Identity, Rights};
use crate::channel::{
    Call, Context, Finished, HandlerResult, Info, Instance, JoinError, JoinResult, JoinStep, Outcome, Renewed, Reply,
    Router, Step,
};
use crate::config::{self, ClientEvents, History, Join, Recipients};
use crate::history::Retention;
use crate::wire::{Payload, Reason, is_closed_to_clients};

/// The event by which a client changes its own presence.
pub(super) const PRESENCE: &str = "presence";

/// The channels of the configuration: each pattern is a relay. One with a webhook or an archive, or whose `join` asks for
/// either, lets nobody in, for nobody is here who could ask the back end or the database;
/// [`crate::Builder::mount_configured`] serves those too.
pub fn relay_routes(channels: &[config::Channel]) -> Router {
    channels.iter().fold(Router::new(), |router, channel| relay_route(router, channel, None))
}

pub(super) fn relay_route(router: Router, channel: &config::Channel, archive: Option<&Arc<Archive>>) -> Router {
    let mut rules = Rules::of(channel, archive);
    rules.closed |= channel.webhook.is_some() || channel.join == Join::Webhook;
    let rules = Arc::new(rules);
    let factory = move || Box::new(Relay::new(Arc::clone(&rules), None)) as Box<dyn Instance>;
    router.instance(channel.topic.clone(), retention(channel), factory)
}

/// How much of a pattern's topics is kept.
pub(super) fn retention(channel: &config::Channel) -> Option<Retention> {
    channel.history.map(|History { size, ttl }| Retention::new(size, ttl))
}

/// What the clients of a pattern may do.
pub(super) struct Rules {
    join: Join,
    client_events: ClientEvents,
    to: Recipients,
    pub(super) presence: bool,
    /// The database, where the pattern has to do with one, and the events that go there.
    archive: Option<Arc<Archive>>,
    archived: ClientEvents,
    /// Nobody may join.
    closed: bool,
}

impl Rules {
    pub(super) fn of(channel: &config::Channel, archive: Option<&Arc<Archive>>) -> Self {
        let archived = channel.archive.clone();
        let needed = channel.join == Join::Member || !archived.is_empty();
        Self {
            join: channel.join,
            client_events: channel.client_events.clone(),
            to: channel.broadcast_to,
            presence: channel.presence,
            archive: archive.cloned(),
            archived,
            closed: needed && archive.is_none(),
        }
    }

    /// The database, if an event is stored there before it is broadcast.
    pub(super) fn archive_of(&self, event: &str) -> Option<&Arc<Archive>> {
        self.archive.as_ref().filter(|_| self.archived.allows(event))
    }

    /// Whether the client of a channel stands in the table, where that is asked for.
    async fn admits(&self, cx: &Context) -> Result<(), Reason> {
        match &self.archive {
            Some(archive) if self.join == Join::Member => membership::check(archive.store(), cx).await,
            _ => Ok(()),
        }
    }

    /// What the client of a channel may do now.
    fn rights(&self, cx: &Context) -> Rights {
        permit(self.join, cx.client(), cx.topic())
    }

    /// Whether its pushes may reach anybody. A renewal that took the right to join away ends the channel after what it
    /// has already sent: none of that may pass any more.
    pub(super) fn lets_speak(&self, cx: &Context) -> bool {
        let rights = self.rights(cx);
        rights.join && rights.broadcast
    }
}

/// Broadcasts what its client pushes, and answers when it is done; shows its client to the others and them to it
/// (design 2.4).
///
/// It goes on with the next push while an earlier one is on its way, and needs no future of its own but to join where
/// there is presence.
pub(super) struct Relay {
    rules: Arc<Rules>,
    /// Where there is presence: set by whoever made the relay, else by the join params.
    attendance: Option<Box<Attendance>>,
}

impl Relay {
    /// With what others are to see of its client, if that does not depend on the client alone.
    pub(super) fn new(rules: Arc<Rules>, attendance: Option<Attendance>) -> Self {
        Self { rules, attendance: attendance.map(Box::new) }
    }

    fn push(&self, event: &str, payload: Payload, cx: &mut Context) -> Outcome {
        if event == PRESENCE {
            return match &self.attendance {
                Some(_) if !self.rules.rights(cx).presence => refuse(Reason::Forbidden),
                Some(attendance) => attendance.change(&payload, cx),
                None => refuse(Reason::PresenceDisabled),
            };
        }
        if let Err(reason) = self.may_relay(event, &payload, cx) {
            return refuse(reason);
        }
        Outcome::ReplyAfter(match self.rules.to {
            Recipients::All => cx.broadcast(event, payload),
            Recipients::Others => cx.broadcast_from(event, payload),
        })
    }

    fn may_relay(&self, event: &str, payload: &Payload, cx: &Context) -> Result<(), Reason> {
        // A client that could send the protocol's own events could close the channels of all others.
        let relayed = !is_closed_to_clients(event) && self.rules.client_events.allows(event);
        if !relayed || !self.rules.lets_speak(cx) {
            return Err(Reason::Forbidden);
        }
        if payload.is_object_or_binary() { Ok(()) } else { Err(Reason::InvalidPayload) }
    }

    /// Stores what its client pushes before the others get it. The pushes behind it wait, so they keep their order.
    async fn push_stored(&self, event: &str, payload: Payload, cx: &Context) -> Outcome {
        if let Err(reason) = self.may_relay(event, &payload, cx) {
            return refuse(reason);
        }
        if matches!(payload, Payload::Binary(_)) {
            return refuse(Reason::BinaryNotSupported);
        }
        let Some(archive) = self.rules.archive_of(event) else { return refuse(Reason::Unavailable) };
        let user = cx.client().assign::<Identity>().map(Identity::sub);
        let broadcast = cx.prepared(event, payload, self.rules.to == Recipients::Others);
        let published = archive.publish(cx.endpoint().pubsub(), broadcast, Author::Client(user)).await;
        match published.map(|receipt| Payload::json(&receipt)) {
            Ok(Ok(receipt)) => Outcome::Reply(Reply::ok(receipt)),
            Ok(Err(_)) => refuse(Reason::InvalidPayload),
            Err(error) => Outcome::Reply(error.into()),
        }
    }

    /// Finds out who the client is, and has the presences of the topic at hand when the join is answered.
    async fn attend(&mut self, params: &Payload, cx: &mut Context) -> JoinResult {
        if self.attendance.is_none() {
            let attendance = Attendance::of_join(params, cx);
            let attendance = attendance.ok_or_else(|| JoinError::Refused(Reason::TooLarge.payload()))?;
            self.attendance = Some(Box::new(attendance));
        }
        let mut presence = cx.presence();
        let present = presence.watch().await.map_err(|_| JoinError::Unavailable)?;
        present.state_follows_reply = true;
        Ok(Payload::empty())
    }

    fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        let may_be_shown = self.rules.rights(cx).presence;
        if let Some(attendance) = self.attendance.as_mut().filter(|_| may_be_shown) {
            attendance.begin(cx)?;
        }
        Ok(Outcome::NoReply)
    }

    /// The client has another token: it may have lost its place here, or among those who are shown.
    fn renewed(&self, cx: &mut Context) -> Outcome {
        let rights = self.rules.rights(cx);
        if !rights.join {
            return Outcome::Stop(None);
        }
        if let Some(attendance) = self.attendance.as_ref().filter(|_| !rights.presence) {
            attendance.end(cx);
        }
        Outcome::NoReply
    }
}

impl Instance for Relay {
    fn join(mut self: Box<Self>, params: Payload, mut cx: Box<Context>) -> JoinStep {
        let refusal = match self.rules.closed {
            true => Some(Reason::Forbidden),
            false => (!self.rules.rights(&cx).join).then_some(Reason::Unauthorized),
        };
        if let Some(reason) = refusal {
            let result = Err(JoinError::Refused(reason.payload()));
            return Step::Done(Finished { instance: self, cx, result });
        }
        if !self.rules.presence && self.rules.join != Join::Member {
            return Step::Done(Finished { instance: self, cx, result: Ok(Payload::empty()) });
        }
        Step::Running(Box::pin(async move {
            let result = match self.rules.admits(&cx).await {
                Ok(()) if self.rules.presence => self.attend(&params, &mut cx).await,
                Ok(()) => Ok(Payload::empty()),
                Err(Reason::Unavailable) => Err(JoinError::Unavailable),
                Err(reason) => Err(JoinError::Refused(reason.payload())),
            };
            Finished { instance: self, cx, result }
        }))
    }

    fn call(mut self: Box<Self>, call: Call, mut cx: Box<Context>) -> Step {
        let result = match call {
            Call::In { event, payload, .. } if &*event == ACCESS_TOKEN => {
                return Step::Running(Box::pin(async move {
                    let result = Ok(renew(&payload, cx.client()).await);
                    Finished { instance: self, cx, result }
                }));
            }
            Call::Info(info) if is_renewal(&info) && self.rules.join == Join::Member => {
                return Step::Running(Box::pin(async move {
                    // A database that does not answer throws nobody out.
                    let result = match self.rules.admits(&cx).await {
                        Err(Reason::Unauthorized) => Ok(Outcome::Stop(None)),
                        _ => Ok(self.renewed(&mut cx)),
                    };
                    Finished { instance: self, cx, result }
                }));
            }
            Call::Info(info) if is_renewal(&info) => Ok(self.renewed(&mut cx)),
            Call::In { event, payload, .. } if &*event != PRESENCE && self.rules.archive_of(&event).is_some() => {
                return Step::Running(Box::pin(async move {
                    let result = Ok(self.push_stored(&event, payload, &cx).await);
                    Finished { instance: self, cx, result }
                }));
            }
            Call::In { event, payload, .. } => Ok(self.push(&event, payload, &mut cx)),
            Call::AfterJoin => self.after_join(&mut cx),
            Call::Out(_) | Call::Info(_) | Call::Terminate(_) => Ok(Outcome::NoReply),
        };
        Step::Done(Finished { instance: self, cx, result })
    }
}

fn is_renewal(info: &Info) -> bool {
    info.downcast_ref::<Renewed>().is_some()
}

fn refuse(reason: Reason) -> Outcome {
    Outcome::Reply(Reply::error(reason.payload()))
}
