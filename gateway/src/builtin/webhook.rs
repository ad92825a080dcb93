use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::archive::{Archive, Author};
use super::attendance::Attendance;
use super::relay::{PRESENCE, Relay, Rules, relay_route, retention};
use super::renewal::ACCESS_TOKEN;
use super::webhook_visit::{Visit, proven_user};
use crate::channel::{
    Call, Context, Finished, HandlerResult, Instance, JoinError, JoinResult, JoinStep, Outcome, Reply, Router, Step,
};
use crate::config::{self, ClientEvents, Join};
use crate::presence::Meta;
use crate::pubsub::PublishError;
use crate::webhooks::{Answer, CallError, Hook, Shown, Spoken, Verdict, Webhooks};
use crate::wire::{Payload, Reason, is_closed_to_clients};

/// The channels of the configuration: relays, those with a webhook behind their back end.
pub(crate) fn configured_routes(
    channels: &[config::Channel],
    webhooks: &Webhooks,
    archive: Option<&Arc<Archive>>,
) -> Router {
    channels.iter().fold(Router::new(), |router, channel| match &channel.webhook {
        None => relay_route(router, channel, archive),
        Some(settings) => {
            let pattern = Arc::new(Pattern {
                hook: webhooks.hook(settings),
                events: settings.events.clone(),
                asks_to_join: channel.join == Join::Webhook,
                relay: Arc::new(Rules::of(channel, archive)),
            });
            router.instance(channel.topic.clone(), retention(channel), move || {
                Box::new(Webhook::new(Arc::clone(&pattern)))
            })
        }
    })
}

/// What the channels of a pattern share.
struct Pattern {
    hook: Arc<Hook>,
    /// Those that the back end decides.
    events: ClientEvents,
    /// Whether it decides about joins, too.
    asks_to_join: bool,
    relay: Arc<Rules>,
}

/// A relay behind a back end, which decides who joins and what becomes of the events of its pattern (design 11.8). All
/// else is the relay's: other events, presence, what it does after the join.
///
/// One call is under way at a time, so a channel's events keep their order; those that wait do so in the channel's own
/// bounded inbox, and their time runs.
struct Webhook {
    pattern: Arc<Pattern>,
    visit: Option<Box<Visit>>,
    /// The relay, once it is joined.
    relay: Option<Box<dyn Instance>>,
    /// What the answer to the join brought to be said after it.
    first_words: Option<Box<Words>>,
}

/// What an answer has said.
struct Words {
    broadcast: Vec<Spoken>,
    push: Vec<Spoken>,
}

impl Webhook {
    fn new(pattern: Arc<Pattern>) -> Self {
        Self { pattern, visit: None, relay: None, first_words: None }
    }

    /// Whether the back end decides about an event.
    fn decides(&self, event: &str) -> bool {
        let is_ours = is_closed_to_clients(event) || event == PRESENCE || event == ACCESS_TOKEN;
        !is_ours && self.pattern.events.allows(event)
    }

    /// Asks to join; if that is granted, the relay is joined.
    async fn ask_to_join(mut self: Box<Self>, params: Payload, cx: Box<Context>) -> Finished<JoinResult> {
        let (reply, attendance) = match self.admitted(&params, &cx).await {
            Ok(admitted) => admitted,
            Err(refusal) => return Finished { instance: self, cx, result: Err(refusal) },
        };
        let relay = Box::new(Relay::new(Arc::clone(&self.pattern.relay), attendance));
        let Finished { instance, cx, result } = match relay.join(params, cx) {
            Step::Done(finished) => finished,
            Step::Running(running) => running.await,
        };
        self.relay = Some(instance);
        Finished { instance: self, cx, result: result.map(|own| united(reply, &own)) }
    }

    /// What the client is answered and shown as, if the back end lets it in.
    async fn admitted(&mut self, params: &Payload, cx: &Context) -> Result<(Payload, Option<Attendance>), JoinError> {
        let hook = Arc::clone(&self.pattern.hook);
        let visit = self.visit.insert(Box::new(Visit::new(Arc::clone(&hook), cx)));
        let Payload::Json(_) = params else { return Err(refused(Reason::BinaryNotSupported)) };
        // Also for the case that the connection ends before there is an answer.
        visit.begin();
        let Some(visitor) = visit.visitor() else { return Err(JoinError::Unavailable) };
        let answer = match hook.join(visitor, params).await {
            Ok(answer) => answer,
            // It may have let the client in all the same.
            Err(CallError::Timeout) => return Err(refused(Reason::Timeout)),
            Err(CallError::Broken | CallError::Invalid(_)) => return Err(JoinError::Unavailable),
            Err(_) => {
                visit.refused();
                return Err(JoinError::Unavailable);
            }
        };
        let Answer { verdict, assigns, broadcast, push, presence, .. } = answer;
        let reply = match verdict {
            Verdict::Ok(reply) => reply,
            Verdict::Error(response) => {
                visit.refused();
                return Err(JoinError::Refused(response));
            }
        };
        visitor.assigns = assigns;
        if !(broadcast.is_empty() && push.is_empty()) {
            self.first_words = Some(Box::new(Words { broadcast, push }));
        }
        if !self.pattern.relay.presence {
            return Ok((reply, None));
        }
        let attendance = attendance(presence, params, cx).ok_or_else(|| refused(Reason::TooLarge))?;
        Ok((reply, Some(attendance)))
    }

    /// Asks what to do about an event, and does it.
    async fn ask(
        mut self: Box<Self>,
        event: Box<str>,
        payload: Payload,
        came: Instant,
        cx: Box<Context>,
    ) -> Finished<HandlerResult> {
        let outcome = self.decided(&event, &payload, came, &cx).await;
        Finished { instance: self, cx, result: Ok(outcome) }
    }

    async fn decided(&mut self, event: &str, payload: &Payload, came: Instant, cx: &Context) -> Outcome {
        if !self.pattern.relay.lets_speak(cx) {
            return error(Reason::Forbidden);
        }
        if matches!(payload, Payload::Binary(_)) {
            return error(Reason::BinaryNotSupported);
        }
        let hook = &self.pattern.hook;
        // Where the back end is not asked about joins, it hears of a client by its first event.
        let visit = self.visit.get_or_insert_with(|| Box::new(Visit::new(Arc::clone(hook), cx)));
        let Some(visitor) = visit.visitor() else { return error(Reason::Unavailable) };
        // Its client waits since it came, behind the events before it.
        let deadline = came + hook.timeout();
        let answer = match hook.event(visitor, event, payload, &cx.reference(), deadline).await {
            Ok(answer) => answer,
            Err(failure) => return error(failure.reason()),
        };
        let Answer { verdict, assigns, broadcast, push, stop, .. } = answer;
        if assigns.is_some() {
            visitor.assigns = assigns;
        }
        let reply = match say(Words { broadcast, push }, &self.pattern.relay, cx).await {
            Err(failure) => Reply::from(failure),
            Ok(()) => match verdict {
                Verdict::Ok(response) => Reply::ok(response),
                Verdict::Error(response) => Reply::error(response),
            },
        };
        if stop { Outcome::Stop(Some(reply)) } else { Outcome::Reply(reply) }
    }

    /// The relay's own part comes first: its client is shown before anything is said.
    async fn after_join(mut self: Box<Self>, words: Words, cx: Box<Context>) -> Finished<HandlerResult> {
        let Some(relay) = self.relay.take() else { return nothing(self, cx) };
        let finished = match relay.call(Call::AfterJoin, cx) {
            Step::Done(finished) => finished,
            Step::Running(running) => running.await,
        };
        let rules = Arc::clone(&self.pattern.relay);
        let Finished { instance, cx, result } = self.around(finished);
        let result = match result {
            Ok(outcome) => say(words, &rules, &cx).await.map(|()| outcome).map_err(Into::into),
            failed => failed,
        };
        Finished { instance, cx, result }
    }

    /// Takes the relay back after a call.
    fn around<T>(mut self: Box<Self>, finished: Finished<T>) -> Finished<T> {
        let Finished { instance, cx, result } = finished;
        self.relay = Some(instance);
        Finished { instance: self, cx, result }
    }

    fn step<T: Send + 'static>(self: Box<Self>, step: Step<T>) -> Step<T> {
        match step {
            Step::Done(finished) => Step::Done(self.around(finished)),
            Step::Running(running) => Step::Running(Box::pin(async move { self.around(running.await) })),
        }
    }
}

impl Instance for Webhook {
    fn join(self: Box<Self>, params: Payload, cx: Box<Context>) -> JoinStep {
        if self.pattern.asks_to_join {
            return Step::Running(Box::pin(self.ask_to_join(params, cx)));
        }
        let relay = Box::new(Relay::new(Arc::clone(&self.pattern.relay), None));
        self.step(relay.join(params, cx))
    }

    fn call(mut self: Box<Self>, call: Call, cx: Box<Context>) -> Step {
        match call {
            Call::In { event, payload, came } if self.decides(&event) => {
                return Step::Running(Box::pin(self.ask(event, payload, came, cx)));
            }
            Call::AfterJoin => {
                if let Some(words) = self.first_words.take() {
                    return Step::Running(Box::pin(self.after_join(*words, cx)));
                }
            }
            Call::Terminate(reason) => {
                if let Some(visit) = &mut self.visit {
                    visit.end(reason);
                }
            }
            Call::In { .. } | Call::Out(_) | Call::Info(_) => {}
        }
        match self.relay.take() {
            Some(relay) => self.step(relay.call(call, cx)),
            None => Step::Done(nothing(self, cx)),
        }
    }
}

/// Sends what an answer said: pushes once the broadcasts stand before them.
async fn say(words: Words, rules: &Rules, cx: &Context) -> Result<(), PublishError> {
    let Words { broadcast, push } = words;
    // All are under way, in their order, before the first is waited for; but what is stored is so before it is sent.
    let mut publications = Vec::with_capacity(broadcast.len());
    let pubsub = cx.endpoint().pubsub();
    for Spoken { event, payload, to_others } in broadcast {
        let message = cx.prepared(&event, payload, to_others);
        match rules.archive_of(&event) {
            Some(archive) => drop(archive.publish(pubsub, message, Author::BackEnd(None)).await?),
            None => publications.push(pubsub.broadcast(message)),
        }
    }
    for publication in publications {
        publication.await?;
    }
    for Spoken { event, payload, .. } in push {
        if let Err(error) = cx.push(&event, payload) {
            tracing::debug!(topic = cx.topic(), %error, "a push of a back end could not be encoded");
        }
    }
    Ok(())
}

/// As whom and what the client is shown: what the back end says, else who it has proved to be and what it said of itself.
fn attendance(shown: Option<Shown>, params: &Payload, cx: &Context) -> Option<Attendance> {
    let Shown { key, meta } = shown.unwrap_or(Shown { key: None, meta: None });
    let key = key.or_else(|| proven_user(cx.client()).map(ToOwned::to_owned));
    let key = key.unwrap_or_else(|| cx.client().uuid().to_string());
    let own = || match params.parse::<Map<String, Value>>().unwrap_or_default().remove("meta") {
        Some(Value::Object(meta)) => meta,
        _ => Meta::new(),
    };
    match meta {
        Some(decided) => Attendance::given(&key, Meta::new(), decided),
        None => Attendance::given(&key, own(), Meta::new()),
    }
}

/// The reply to a join: the back end's, with what the gateway itself has to say.
fn united(reply: Payload, own: &Payload) -> Payload {
    let Ok(own) = own.parse::<Map<String, Value>>() else { return reply };
    if own.is_empty() {
        return reply;
    }
    let mut reply: Map<String, Value> = reply.parse().unwrap_or_default();
    reply.extend(own);
    Value::Object(reply).into()
}

fn nothing(instance: Box<Webhook>, cx: Box<Context>) -> Finished<HandlerResult> {
    Finished { instance, cx, result: Ok(Outcome::NoReply) }
}

fn refused(reason: Reason) -> JoinError {
    JoinError::Refused(reason.payload())
}

fn error(reason: Reason) -> Outcome {
    Outcome::Reply(Reply::error(reason.payload()))
}
