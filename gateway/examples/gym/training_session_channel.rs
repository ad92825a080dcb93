use std::collections::BTreeMap;

use gateway::presence::{Entry, State, TrackedMeta};
use gateway::wire::PayloadError;
use gateway::{Channel, Context, HandlerResult, JoinContext, JoinError, JoinResult, Outcome, Payload, Reply};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::user_socket::{Role, User};

/// How many exercises a participant can complete in a session.
const MOST: usize = 100;

/// One client in one training session. How far a participant is stands in its presence, so that every pod knows it.
#[derive(Default)]
pub(crate) struct TrainingSessionChannel {
    user: User,
    completed: Vec<String>,
}

#[derive(Deserialize)]
struct JoinParams {
    /// What a participant had completed before it lost its connection.
    #[serde(default)]
    completed: Vec<String>,
}

#[derive(Deserialize)]
struct Exercise {
    name: String,
}

impl Channel for TrainingSessionChannel {
    fn intercept() -> &'static [&'static str] {
        &["status_updated", "presence_diff"]
    }

    async fn join(&mut self, params: Payload, cx: &mut JoinContext) -> JoinResult {
        self.user = cx.client().assign::<User>().cloned().ok_or_else(|| JoinError::reason("unauthorized"))?;
        self.completed = params.parse::<JoinParams>()?.completed;
        if self.completed.len() > MOST || !self.completed.iter().all(|name| is_exercise(name)) {
            return Err(JoinError::reason("completed is invalid"));
        }
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        cx.presence().track(&self.user.name, &self.meta()).await?;
        match self.user.role {
            Role::Trainer => {
                cx.presence().push_state().await?;
                let present = cx.presence().list().await?;
                cx.push("overall_status", overall_status(&present))?;
            }
            Role::Participant => {
                let present = json!(cx.presence().list().await?);
                cx.push("presence_state", only_trainers(&present))?;
                cx.push("participant_status", self.status())?;
            }
        }
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match (event, self.user.role) {
            ("complete_exercise", Role::Participant) => {
                let Exercise { name } = payload.parse()?;
                if !is_exercise(&name) || self.completed.len() >= MOST {
                    return Ok(Outcome::Reply(Reply::error(json!({ "errors": { "name": "is invalid" } }))));
                }
                self.completed.push(name.clone());
                cx.presence().update(&self.user.name, &self.meta())?;
                cx.push("participant_status", self.status())?;
                let updated = json!({ "name": self.user.name, "exercise": name, "completed": self.completed.len() });
                cx.broadcast("status_updated", updated).await?;
                Ok(Outcome::ok())
            }
            ("complete_exercise", Role::Trainer) => Ok(Outcome::error("forbidden")),
            _ => Ok(Outcome::error("unknown event")),
        }
    }

    async fn handle_out(&mut self, event: &str, payload: Payload, cx: &mut Context) -> HandlerResult {
        match (event, self.user.role) {
            // Trainers see how everybody does, and who comes and goes.
            (_, Role::Trainer) => cx.push(event, payload)?,
            // Participants see which trainers are there.
            ("presence_diff", Role::Participant) => {
                if let Some(diff) = only_trainers_of_diff(&payload)? {
                    cx.push(event, diff)?;
                }
            }
            _ => {}
        }
        Ok(Outcome::NoReply)
    }
}

impl TrainingSessionChannel {
    fn meta(&self) -> Value {
        json!({ "role": self.user.role, "completed": self.completed.len() })
    }

    fn status(&self) -> Value {
        json!({ "name": self.user.name, "completed": self.completed })
    }
}

fn is_exercise(name: &str) -> bool {
    (1..=80).contains(&name.chars().count())
}

/// How far each participant is, by name. One who is here twice, as after a reconnect, is as far as the farther one.
fn overall_status(present: &State) -> Value {
    let completed = |meta: Map<String, Value>| meta["completed"].as_u64().filter(|_| meta["role"] == "participant");
    let of = |entry: &Entry| entry.metas.iter().map(TrackedMeta::to_map).filter_map(completed).max();
    let participants = present.0.iter().filter_map(|(name, entry)| Some((name, of(entry)?)));
    json!({ "participants": participants.collect::<BTreeMap<_, _>>() })
}

/// The entries of trainers in a list of presences.
fn only_trainers(present: &Value) -> Value {
    let is_trainer =
        |entry: &Value| entry["metas"].as_array().is_some_and(|m| m.iter().any(|m| m["role"] == "trainer"));
    let entries = present.as_object().into_iter().flatten().filter(|(_, entry)| is_trainer(entry));
    entries.map(|(key, entry)| (key.clone(), entry.clone())).collect()
}

/// The same of both halves of a diff, if anything is left.
fn only_trainers_of_diff(diff: &Payload) -> Result<Option<Value>, PayloadError> {
    let diff: Value = diff.parse()?;
    let (joins, leaves) = (only_trainers(&diff["joins"]), only_trainers(&diff["leaves"]));
    let is_empty = [&joins, &leaves].iter().all(|half| half.as_object().is_none_or(Map::is_empty));
    Ok((!is_empty).then(|| json!({ "joins": joins, "leaves": leaves })))
}
