use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{AnyPool, Error};
use uuid::Uuid;

use crate::database::{can_hold, now};

/// Tables, made when they are missing; `staff` has one member from the beginning.
pub(crate) const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user_id TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS members (room TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (room, user_id))",
    "CREATE TABLE IF NOT EXISTS messages (room TEXT NOT NULL, id TEXT NOT NULL, user_id TEXT NOT NULL, body TEXT NOT NULL, \
     inserted_at TEXT NOT NULL, PRIMARY KEY (room, id))",
    "INSERT INTO members (room, user_id) VALUES ('staff', 'boss') ON CONFLICT DO NOTHING",
];

/// The longest message, in characters.
const MAX_BODY: usize = 1000;

/// What somebody said, as clients get it.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) user_id: String,
    pub(crate) inserted_at: String,
}

impl Message {
    /// What is wrong with a body, by field.
    pub(crate) fn validate(body: &str) -> Result<(), BTreeMap<&'static str, [String; 1]>> {
        let problem = match body.chars().count() {
            _ if body.trim().is_empty() => "can't be blank".to_owned(),
            _ if !can_hold(body) => "has a character that cannot be stored".to_owned(),
            1..=MAX_BODY => return Ok(()),
            _ => format!("should be at most {MAX_BODY} character(s)"),
        };
        Err(BTreeMap::from([("body", [problem])]))
    }
}

/// Users, rooms and messages. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct Store(AnyPool);

impl Store {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self(pool)
    }

    /// Signs a user in, without a password, and makes it a member of `general`: the token that its sockets connect with.
    pub(crate) async fn sign_in(&self, user_id: &str) -> Result<String, Error> {
        let token = Uuid::new_v4().simple().to_string();
        let member = "INSERT INTO members (room, user_id) VALUES ('general', $1) ON CONFLICT DO NOTHING";
        sqlx::query(member).bind(user_id).execute(&self.0).await?;
        let session = "INSERT INTO sessions (token, user_id) VALUES ($1, $2)";
        sqlx::query(session).bind(&token).bind(user_id).execute(&self.0).await?;
        Ok(token)
    }

    /// Ends all sessions of a user.
    pub(crate) async fn sign_out(&self, user_id: &str) -> Result<(), Error> {
        sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user_id).execute(&self.0).await?;
        Ok(())
    }

    pub(crate) async fn user_of(&self, token: &str) -> Result<Option<String>, Error> {
        if !can_hold(token) {
            return Ok(None);
        }
        let user = sqlx::query_scalar("SELECT user_id FROM sessions WHERE token = $1");
        user.bind(token).fetch_optional(&self.0).await
    }

    pub(crate) async fn is_member(&self, room: &str, user_id: &str) -> Result<bool, Error> {
        if !can_hold(room) || !can_hold(user_id) {
            return Ok(false);
        }
        let member = sqlx::query_scalar::<_, String>("SELECT user_id FROM members WHERE room = $1 AND user_id = $2");
        Ok(member.bind(room).bind(user_id).fetch_optional(&self.0).await?.is_some())
    }

    /// The newest messages of a room, oldest first. Their ids begin with the time.
    pub(crate) async fn last_messages(&self, room: &str, limit: i64) -> Result<Vec<Message>, Error> {
        let rows = sqlx::query_as::<_, (String, String, String, String)>(
            "SELECT id, body, user_id, inserted_at FROM messages WHERE room = $1 ORDER BY id DESC LIMIT $2",
        );
        let rows = rows.bind(room).bind(limit).fetch_all(&self.0).await?;
        let message = |(id, body, user_id, inserted_at)| Message { id, body, user_id, inserted_at };
        Ok(rows.into_iter().rev().map(message).collect())
    }

    pub(crate) async fn insert_message(&self, room: &str, user_id: &str, body: &str) -> Result<Message, Error> {
        let id = Uuid::now_v7().to_string();
        let message = Message { id, body: body.to_owned(), user_id: user_id.to_owned(), inserted_at: now() };
        sqlx::query("INSERT INTO messages (room, id, user_id, body, inserted_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(room)
            .bind(&message.id)
            .bind(user_id)
            .bind(body)
            .bind(&message.inserted_at)
            .execute(&self.0)
            .await?;
        Ok(message)
    }
}
