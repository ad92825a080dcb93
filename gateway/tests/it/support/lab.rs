use std::fmt;
use std::sync::Arc;

use gateway::pubsub::Received;
use gateway::{
    Channel, ChannelError, ChannelHandle, Context, Ended, HandlerResult, Info, JoinContext, JoinError, JoinResult,
    Mount, Outcome, Payload, Reply, ReplyTo, Router,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Duration, timeout};

use super::gateway::{OpenSocket, TestGateway};

/// A gateway whose channels on `lab:*` do what their clients tell them, and report to the test.
pub(crate) struct Lab {
    pub(crate) gateway: TestGateway,
    notes: mpsc::UnboundedReceiver<Note>,
    pub(crate) gate: Arc<Semaphore>,
}

/// What a channel reports.
#[derive(Debug)]
pub(crate) enum Note {
    /// A callback waits at the gate.
    Waiting,
    /// `terminate` was called.
    Ended(String, Ended),
    /// The channel is no more.
    Dropped(String),
    /// Its handle, for use from outside.
    Handle(ChannelHandle),
    /// What is needed to answer a message later.
    ReplyTo(ReplyTo),
}

impl Lab {
    pub(crate) async fn start() -> Self {
        Self::with("", |mount| mount).await
    }

    /// With settings and a mount of the test's own.
    pub(crate) async fn with(toml: &str, tune: impl FnOnce(Mount) -> Mount) -> Self {
        let (sender, notes) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let probe = Probe { notes: sender, gate: Arc::clone(&gate) };
        let factory = move || LabChannel { probe: probe.clone(), topic: String::new(), params: Value::Null };
        let router = Router::new().channel("lab:*", factory).unwrap();
        let gateway = TestGateway::with_config(toml, [tune(Mount::new("/socket", OpenSocket, router))]).await;
        Self { gateway, notes, gate }
    }

    async fn note(&mut self) -> Note {
        timeout(Duration::from_secs(10), self.notes.recv()).await.expect("no channel reported").unwrap()
    }

    /// Resolves when a callback waits at the gate.
    pub(crate) async fn waiting(&mut self) {
        while !matches!(self.note().await, Note::Waiting) {}
    }

    /// Lets one callback pass the gate, now or when it comes there.
    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(1);
    }

    /// The next call of `terminate`: the topic and why it ended.
    pub(crate) async fn ended(&mut self) -> (String, Ended) {
        loop {
            if let Note::Ended(topic, reason) = self.note().await {
                return (topic, reason);
            }
        }
    }

    /// The topic of the next channel that is gone; `terminate` must not have been called.
    pub(crate) async fn dropped_without_terminate(&mut self) -> String {
        loop {
            match self.note().await {
                Note::Dropped(topic) => return topic,
                Note::Ended(topic, reason) => panic!("{topic} was terminated: {reason:?}"),
                _ => {}
            }
        }
    }

    /// What the event `later` has left.
    pub(crate) async fn reply_to(&mut self) -> ReplyTo {
        loop {
            if let Note::ReplyTo(reply_to) = self.note().await {
                return reply_to;
            }
        }
    }

    /// What the event `handle`, or a join that waits, has left.
    pub(crate) async fn handle(&mut self) -> ChannelHandle {
        loop {
            if let Note::Handle(handle) = self.note().await {
                return handle;
            }
        }
    }
}

/// The reply ok with `{}`.
pub(crate) fn ok(join_ref: &str, reference: &str, topic: &str) -> Value {
    json!([join_ref, reference, topic, "phx_reply", { "status": "ok", "response": {} }])
}

/// The reply of the socket to what it has no channel for.
pub(crate) fn unmatched(reference: &str, topic: &str) -> Value {
    json!([null, reference, topic, "phx_reply", { "status": "error", "response": { "reason": "unmatched topic" } }])
}

pub(crate) fn phx_close(join_ref: &str, topic: &str) -> Value {
    json!([join_ref, join_ref, topic, "phx_close", {}])
}

pub(crate) fn phx_error(join_ref: &str, topic: &str) -> Value {
    json!([join_ref, join_ref, topic, "phx_error", { "reason": "channel_crash" }])
}

#[derive(Clone)]
struct Probe {
    notes: mpsc::UnboundedSender<Note>,
    gate: Arc<Semaphore>,
}

impl Probe {
    fn note(&self, note: Note) {
        // A test that has ended listens no more.
        let _ = self.notes.send(note);
    }

    async fn wait(&self) {
        self.note(Note::Waiting);
        self.gate.acquire().await.unwrap().forget();
    }
}

/// The join params say what the callbacks beside `handle_in` do: `join`, `after_join`, `terminate`.
struct LabChannel {
    probe: Probe,
    topic: String,
    params: Value,
}

impl LabChannel {
    fn param(&self, name: &str) -> &str {
        self.params[name].as_str().unwrap_or_default()
    }

    fn failed() -> ChannelError {
        fmt::Error.into()
    }
}

impl Channel for LabChannel {
    fn intercept() -> &'static [&'static str] {
        &["out", "out_panic", "out_fail", "out_stop", "out_wait", "out_none"]
    }

    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.topic = cx.topic().to_owned();
        self.params = params.parse()?;
        if let Some(topic) = self.params["subscribe"].as_str() {
            cx.subscribe(topic).await?;
        }
        match self.param("join") {
            "refuse" => return Err(JoinError::reason("mybad")),
            "fail" => Err(fmt::Error)?,
            "panic" => panic!("as the test wants"),
            "wait" => {
                self.probe.note(Note::Handle(cx.handle()));
                self.probe.wait().await;
            }
            _ => {}
        }
        match &self.params["response"] {
            Value::Null => Ok(Payload::empty()),
            response => Ok(Payload::json(response)?),
        }
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        match self.param("after_join") {
            "push" => cx.push("joined", json!({ "reply_to": cx.reply_to().is_ok() }))?,
            "panic" => panic!("as the test wants"),
            "fail" => return Err(Self::failed()),
            "stop" => return Ok(Outcome::Stop(None)),
            _ => {}
        }
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "ok" => return Ok(Outcome::ok()),
            "echo" => return Ok(Outcome::Reply(Reply::ok(payload))),
            "error" => return Ok(Outcome::Reply(Reply::error(payload))),
            "maybe" => return Ok(Outcome::Reply(Reply::with_status("maybe", payload))),
            "push" => cx.push("pushed", payload)?,
            "push_and_reply" => {
                cx.push("pushed", payload)?;
                return Ok(Outcome::ok());
            }
            "shout" => {
                cx.broadcast("shout", payload).await?;
                return Ok(Outcome::ok());
            }
            "shout_from" => {
                cx.broadcast_from("shout", payload).await?;
                return Ok(Outcome::ok());
            }
            "reply_after" => return Ok(Outcome::ReplyAfter(cx.broadcast("shout", payload))),
            intercepted if intercepted.starts_with("out") => {
                cx.broadcast(intercepted, payload).await?;
                return Ok(Outcome::ok());
            }
            "later" => self.probe.note(Note::ReplyTo(cx.reply_to()?)),
            "handle" => self.probe.note(Note::Handle(cx.handle())),
            "may_reply_later" => return Outcome::ok_with(&json!({ "possible": cx.reply_to().is_ok() })),
            "timers" => {
                for milliseconds in payload.parse::<Value>()?["ms"].as_array().unwrap() {
                    cx.send_after(Duration::from_millis(milliseconds.as_u64().unwrap()), milliseconds.clone());
                }
            }
            "wait" => {
                self.probe.wait().await;
                return Ok(Outcome::ok());
            }
            "stop" => return Ok(Outcome::Stop(None)),
            "stop_with_reply" => return Ok(Outcome::Stop(Some(Reply::ok(payload)))),
            "panic" => panic!("as the test wants"),
            "fail" => return Err(Self::failed()),
            "none" => {}
            unknown => return Err(ChannelError::unknown_event(unknown)),
        }
        Ok(Outcome::NoReply)
    }

    async fn handle_out(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match event {
            "out_panic" => panic!("as the test wants"),
            "out_fail" => return Err(Self::failed()),
            "out_stop" => return Ok(Outcome::Stop(None)),
            "out_wait" => self.probe.wait().await,
            "out_none" => {}
            _ => {
                let mut payload: Value = payload.parse()?;
                payload["transport"] = json!(format!(":{}", cx.client().transport().name()));
                payload["for"] = json!(cx.client().id());
                cx.push(event, payload)?;
            }
        }
        Ok(Outcome::NoReply)
    }

    async fn handle_info(&mut self, info: Info, cx: &mut Context) -> HandlerResult {
        let info = match info.downcast::<Arc<Received>>() {
            Ok(received) => {
                let relayed = json!({ "from": &*received.topic, "payload": received.payload.parse::<Value>()? });
                cx.push(&received.event, relayed)?;
                return Ok(Outcome::NoReply);
            }
            Err(info) => info,
        };
        match info.downcast_ref::<&str>() {
            Some(&"panic") => panic!("as the test wants"),
            Some(&"fail") => return Err(Self::failed()),
            Some(&"stop") => return Ok(Outcome::Stop(None)),
            Some(&"wait") => self.probe.wait().await,
            Some(other) => cx.push("info", json!({ "info": other, "reply_to": cx.reply_to().is_ok() }))?,
            None => cx.push("timer", json!({ "ms": info.downcast_ref::<Value>() }))?,
        }
        Ok(Outcome::NoReply)
    }

    async fn terminate(&mut self, reason: Ended, cx: &mut Context) {
        self.probe.note(Note::Ended(self.topic.clone(), reason));
        match self.param("terminate") {
            "push" => cx.push("you_left", json!({ "message": "bye!" })).unwrap(),
            "panic" => panic!("as the test wants"),
            "wait" => self.probe.wait().await,
            _ => {}
        }
    }
}

impl Drop for LabChannel {
    fn drop(&mut self) {
        self.probe.note(Note::Dropped(self.topic.clone()));
    }
}
