use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::attendance::{Asked, Attendance, disabled, no_object, refused};
use super::broadcast::Spoken;
use super::join_config::JoinConfig;
use super::replay::Replay;
use super::rules::Rules;
use super::system::{PREFIX, name, refuse, shut_down};
use super::token::{ApiKey, Token, code, in_words};
use crate::auth::{Rights, TokenRefused};
use crate::channel::{
    Call, Context, Finished, HandlerResult, Info, Instance, JoinError, JoinResult, JoinStep, Outcome, Reply, Step,
};
use crate::socket::TooManyMessages;
use crate::wire::{BROADCAST, MAX_NAME, Payload, Reason, private_topic};

/// A token is looked at again when it ends, and after this time at the latest: clocks are set, and timers are not for years.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A message of a channel to itself: the token may have ended.
struct TokenDue;

/// A message of a channel to itself: its client is to be told who is there, after the answer.
struct TellState;

/// One client's side of a topic `realtime:…`: a private one, or the public one of the same name (protocol 8.3 to 8.7).
pub(super) struct Realtime {
    rules: Arc<Rules>,
    joined: Option<Box<Joined>>,
}

/// What is known of the client once it has joined.
struct Joined {
    /// Whether it gets its own broadcasts.
    own: bool,
    /// Whether its broadcasts are answered.
    ack: bool,
    /// By which it is judged.
    token: Token,
    /// When its token is looked at next, in seconds since 1970.
    looked_at: u64,
    attendance: Attendance,
    /// Whether it was told who is there, and hears of changes.
    watches: bool,
    /// What it is to hear again, until it has.
    replay: Option<Replay>,
}

impl Realtime {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self { rules, joined: None }
    }

    async fn admit(&mut self, params: &Payload, cx: &mut Context) -> JoinResult {
        let Some(name) = cx.topic().strip_prefix(PREFIX) else {
            return Err(JoinError::Refused(Reason::UnmatchedTopic.payload()));
        };
        if name.is_empty() {
            return Err(refuse("TopicNameRequired", "You must provide a topic name"));
        }
        let config = JoinConfig::read(params);
        if config.changes {
            let text = "This server offers Broadcast and Presence, but no Postgres changes";
            return Err(refuse("PostgresChangesNotSupported", text));
        }
        let token = token(&config, cx).await.map_err(|reason| refuse(code(reason), in_words(reason)))?;
        let topic = if config.private { private_topic(cx.topic()) } else { cx.topic().to_owned() };
        if topic.len() > MAX_NAME {
            return Err(refuse(
                "TopicNameTooLong",
                "The name of a private topic has 246 bytes at most, with its prefix",
            ));
        }
        if !self.rules.rights(&token, &topic).join {
            return Err(self.rules.refusal(&topic, name));
        }
        let replay = config.replay.as_ref().map(|asked| Replay::of_join(asked, config.private, self.rules.kept));
        let replay = replay.transpose()?;
        let attendance = Attendance::of_join(&config)?;
        cx.move_to(&topic);
        let watches = self.rules.presence && config.presence;
        if watches {
            let mut presence = cx.presence();
            presence.watch().await.map_err(|_| JoinError::Unavailable)?.state_follows_reply = true;
        }
        let JoinConfig { own, ack, .. } = config;
        let mut joined = Joined { own, ack, token, looked_at: u64::MAX, attendance, watches, replay };
        joined.look_again(cx);
        self.joined = Some(Box::new(joined));
        Ok(json!({ "postgres_changes": [] }).into())
    }

    fn broadcast(&self, joined: &Joined, payload: &Payload, cx: &Context) -> Outcome {
        let Rights { broadcast: may_speak, .. } = self.rules.rights(&joined.token, cx.topic());
        if !may_speak {
            // As Supabase: who may not write is not told so.
            return Outcome::NoReply;
        }
        let keeping = self.rules.keeping(cx.topic());
        let spoken = Spoken::read(payload, keeping);
        let spoken =
            spoken.and_then(|spoken| self.rules.allows(&spoken.event).then_some(spoken).ok_or(Reason::Forbidden));
        let publication = match spoken {
            Ok(Spoken { payload, .. }) if joined.own => cx.broadcast(BROADCAST, payload),
            Ok(Spoken { payload, .. }) => cx.broadcast_from(BROADCAST, payload),
            Err(reason) if joined.ack => return Outcome::Reply(Reply::error(reason.payload())),
            Err(reason) => {
                tracing::debug!(topic = cx.topic(), reason = reason.as_str(), "a broadcast was dropped");
                return Outcome::NoReply;
            }
        };
        // It is under way whether somebody waits for it or not.
        if joined.ack { Outcome::ReplyAfter(publication) } else { Outcome::NoReply }
    }

    async fn presence(rules: &Rules, joined: &mut Joined, payload: &Payload, cx: &mut Context) -> Outcome {
        let asked = Asked::read(payload);
        if asked != Asked::Nothing && !joined.attendance.count() {
            return shut_down(cx, "Client presence rate limit exceeded");
        }
        match asked {
            Asked::Nothing => Outcome::ok(),
            Asked::Unknown => refused(),
            Asked::Untrack => {
                joined.attendance.untrack(cx);
                Outcome::ok()
            }
            Asked::Track(_) | Asked::NoObject if !rules.presence => disabled(),
            Asked::Track(_) | Asked::NoObject if !rules.rights(&joined.token, cx.topic()).presence => refused(),
            Asked::NoObject => no_object(),
            Asked::Track(meta) => {
                if !joined.watches {
                    // To be shown is to be told of the others, too.
                    if cx.presence().watch().await.is_err() {
                        return Outcome::Reply(Reply::error(Reason::Unavailable.payload()));
                    }
                    joined.watches = true;
                    cx.handle().send(TellState);
                }
                joined.attendance.track(meta, cx)
            }
        }
    }

    /// Takes a new token of the client. It is not answered.
    async fn renew(rules: &Rules, joined: &mut Joined, payload: &Payload, cx: &mut Context) -> Outcome {
        #[derive(Deserialize)]
        struct Request {
            access_token: Value,
        }
        let Ok(Request { access_token: Value::String(text) }) = payload.parse() else { return Outcome::NoReply };
        if text.starts_with("sb_") || joined.token.is(&text) {
            return Outcome::NoReply;
        }
        let Some(key) = cx.client().assign::<ApiKey>() else { return Outcome::NoReply };
        match Token::verify(&text, &key.verifier).await {
            Err(reason) => return shut_down(cx, in_words(reason)),
            Ok(token) => joined.token = token,
        }
        let rights = rules.rights(&joined.token, cx.topic());
        if !rights.join {
            let lost = format!("You no longer have permission to read from this Channel topic: {}", name(cx));
            return shut_down(cx, &lost);
        }
        if !rights.presence {
            joined.attendance.untrack(cx);
        }
        joined.look_again(cx);
        Outcome::NoReply
    }

    async fn handle(mut self: Box<Self>, task: Task, mut cx: Box<Context>) -> Finished<HandlerResult> {
        let result = match (task, &mut self.joined) {
            (_, None) => Ok(Outcome::NoReply),
            (Task::Presence(payload), Some(joined)) => Ok(Self::presence(&self.rules, joined, &payload, &mut cx).await),
            (Task::Renew(payload), Some(joined)) => Ok(Self::renew(&self.rules, joined, &payload, &mut cx).await),
            (Task::Replay(replay), Some(_)) => match replay.push(&cx).await {
                Ok(()) => Ok(Outcome::NoReply),
                Err(_) => Ok(shut_down(&cx, "Realtime was unable to replay messages")),
            },
            (Task::TellState, Some(_)) => {
                cx.presence().push_state().await.map(|()| Outcome::NoReply).map_err(Into::into)
            }
        };
        Finished { instance: self, cx, result }
    }

    fn informed(&mut self, info: &Info, cx: &Context) -> Outcome {
        match &mut self.joined {
            Some(joined) if info.downcast_ref::<TokenDue>().is_some() => {
                if joined.token.seconds_left().is_none() {
                    return shut_down(cx, in_words(TokenRefused::Expired));
                }
                joined.looked_at = u64::MAX;
                joined.look_again(cx);
                Outcome::NoReply
            }
            Some(_) if info.downcast_ref::<TooManyMessages>().is_some() => {
                shut_down(cx, "Too many messages per second")
            }
            _ => Outcome::NoReply,
        }
    }
}

/// What takes a while.
enum Task {
    Presence(Payload),
    Renew(Payload),
    Replay(Replay),
    TellState,
}

impl Joined {
    /// Has the token looked at again when it ends, unless that happens before anyway.
    fn look_again(&mut self, cx: &Context) {
        let wait = Duration::from_secs(self.token.seconds_left().unwrap_or_default()).min(LONGEST_WAIT);
        let at = crate::clock::unix_seconds().saturating_add(wait.as_secs());
        if at < self.looked_at {
            self.looked_at = at;
            cx.send_after(wait, TokenDue);
        }
    }
}

/// The token by which a client is judged on a channel: one that came with the join, else the key of its connection.
async fn token(config: &JoinConfig, cx: &Context) -> Result<Token, TokenRefused> {
    let Some(key) = cx.client().assign::<ApiKey>() else { return Err(TokenRefused::Missing) };
    let token = match config.token.as_deref().filter(|text| !key.token.is(text)) {
        Some(text) => Token::verify(text, &key.verifier).await?,
        None => key.token.clone(),
    };
    // The key may have ended since its connection came.
    if token.seconds_left().is_some() { Ok(token) } else { Err(TokenRefused::Expired) }
}

impl Instance for Realtime {
    fn join(mut self: Box<Self>, params: Payload, mut cx: Box<Context>) -> JoinStep {
        Step::Running(Box::pin(async move {
            let result = self.admit(&params, &mut cx).await;
            Finished { instance: self, cx, result }
        }))
    }

    fn call(mut self: Box<Self>, call: Call, cx: Box<Context>) -> Step {
        let outcome = match call {
            Call::In { event, payload, .. } => match &*event {
                BROADCAST => match &self.joined {
                    Some(joined) => self.broadcast(joined, &payload, &cx),
                    None => Outcome::NoReply,
                },
                "presence" => return Step::Running(Box::pin(self.handle(Task::Presence(payload), cx))),
                "access_token" => return Step::Running(Box::pin(self.handle(Task::Renew(payload), cx))),
                event => {
                    tracing::debug!(topic = cx.topic(), event, "an unknown event was overlooked");
                    Outcome::NoReply
                }
            },
            Call::Info(info) if info.downcast_ref::<TellState>().is_some() => {
                return Step::Running(Box::pin(self.handle(Task::TellState, cx)));
            }
            Call::Info(info) => self.informed(&info, &cx),
            Call::AfterJoin => match self.joined.as_mut().and_then(|joined| joined.replay.take()) {
                Some(replay) => return Step::Running(Box::pin(self.handle(Task::Replay(replay), cx))),
                None => Outcome::NoReply,
            },
            Call::Out(_) | Call::Terminate(_) => Outcome::NoReply,
        };
        Step::Done(Finished { instance: self, cx, result: Ok(outcome) })
    }
}
