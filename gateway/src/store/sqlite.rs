use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::{Sqlite as Driver, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use uuid::Uuid;

use super::lease::Lease;
use super::model::{Archived, Insertion, Member, Row, Source};
use super::timestamp::Timestamp;

/// How many read at a time. Each is a thread, and so is the one that writes.
const READERS: u32 = 3;

/// The columns of a message, as [`message`] reads them.
macro_rules! select_message {
    ($rest:literal) => {
        concat!(
            "SELECT id, event, payload, source, sender, sender_message_id, inserted_at FROM gateway_messages ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO gateway_messages \
     (id, topic, event, payload, source, sender, sender_message_id, inserted_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (topic, source, coalesce(sender, ''), sender_message_id) WHERE sender_message_id IS NOT NULL DO NOTHING";
const SENT_BEFORE: &str =
    select_message!("WHERE topic = $1 AND source = $2 AND coalesce(sender, '') = $3 AND sender_message_id = $4");
const LATEST: &str = select_message!("WHERE topic = $1 ORDER BY id DESC LIMIT $2");
const BEFORE: &str = select_message!("WHERE topic = $1 AND id < $3 ORDER BY id DESC LIMIT $2");
const ROLE: &str = "SELECT role FROM gateway_members WHERE topic = $1 AND user_id = $2";
const ADD: &str = "INSERT INTO gateway_members (topic, user_id, role, inserted_at) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (topic, user_id) DO UPDATE SET role = excluded.role \
     RETURNING user_id, role, inserted_at";
const REMOVE: &str = "DELETE FROM gateway_members WHERE topic = $1 AND user_id = $2";
const MEMBERS: &str = "SELECT user_id, role, inserted_at FROM gateway_members \
     WHERE topic = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";

/// A file. One connection writes, for SQLite lets one write at a time: here they wait in a queue, there they would ask again
/// and again. The others read meanwhile.
pub(super) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    pub(super) fn new(options: SqliteConnectOptions, acquire: Duration) -> Self {
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(acquire);
        let readers = pool(READERS).connect_lazy_with(options.clone());
        Self { writer: pool(1).connect_lazy_with(options), readers }
    }

    pub(super) async fn ping(&self) -> sqlx::Result<()> {
        let mut lease = Lease::<Driver>::take(&self.readers).await?;
        let answer = sqlx::query("SELECT 1").execute(&mut *lease).await;
        lease.give_back();
        answer.map(drop)
    }

    pub(super) async fn insert(&self, row: &Row<'_>) -> sqlx::Result<Insertion> {
        let mut lease = Lease::<Driver>::take(&self.writer).await?;
        let (message, source) = (row.message, row.message.source.as_str());
        let inserted = sqlx::query(INSERT)
            .bind(row.id.to_string())
            .bind(message.topic)
            .bind(message.event)
            .bind(message.payload)
            .bind(source)
            .bind(message.sender)
            .bind(message.sender_message_id)
            .bind(row.inserted_at.micros())
            .execute(&mut *lease)
            .await;
        let outcome = match inserted {
            Ok(done) if done.rows_affected() == 1 => Ok(Insertion::New { id: row.id, inserted_at: row.inserted_at }),
            Ok(_) => {
                let before = sqlx::query(SENT_BEFORE)
                    .bind(message.topic)
                    .bind(source)
                    .bind(message.sender.unwrap_or_default())
                    .bind(message.sender_message_id)
                    .fetch_one(&mut *lease)
                    .await;
                before.and_then(|before| self::message(&before)).map(Insertion::Repeat)
            }
            Err(error) => Err(error),
        };
        lease.give_back();
        outcome
    }

    pub(super) async fn page(&self, topic: &str, before: Option<Uuid>, limit: u32) -> sqlx::Result<Vec<Archived>> {
        let mut lease = Lease::<Driver>::take(&self.readers).await?;
        let query = sqlx::query(if before.is_some() { BEFORE } else { LATEST }).bind(topic).bind(i64::from(limit));
        let query = match before {
            Some(before) => query.bind(before.to_string()),
            None => query,
        };
        let rows = query.fetch_all(&mut *lease).await;
        lease.give_back();
        rows?.iter().map(message).collect()
    }

    pub(super) async fn role(&self, topic: &str, user: &str) -> sqlx::Result<Option<String>> {
        let mut lease = Lease::<Driver>::take(&self.readers).await?;
        let role = sqlx::query_scalar(ROLE).bind(topic).bind(user).fetch_optional(&mut *lease).await;
        lease.give_back();
        role
    }

    pub(super) async fn add_member(&self, topic: &str, user: &str, role: &str, now: Timestamp) -> sqlx::Result<Member> {
        let mut lease = Lease::<Driver>::take(&self.writer).await?;
        let query = sqlx::query(ADD).bind(topic).bind(user).bind(role).bind(now.micros());
        let row = query.fetch_one(&mut *lease).await;
        lease.give_back();
        member(&row?)
    }

    pub(super) async fn remove_member(&self, topic: &str, user: &str) -> sqlx::Result<bool> {
        let mut lease = Lease::<Driver>::take(&self.writer).await?;
        let done = sqlx::query(REMOVE).bind(topic).bind(user).execute(&mut *lease).await;
        lease.give_back();
        Ok(done?.rows_affected() > 0)
    }

    pub(super) async fn members(&self, topic: &str, after: &str, limit: u32) -> sqlx::Result<Vec<Member>> {
        let mut lease = Lease::<Driver>::take(&self.readers).await?;
        let query = sqlx::query(MEMBERS).bind(topic).bind(after).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *lease).await;
        lease.give_back();
        rows?.iter().map(member).collect()
    }
}

fn message(row: &SqliteRow) -> sqlx::Result<Archived> {
    let (id, source): (&str, &str) = (row.try_get("id")?, row.try_get("source")?);
    Ok(Archived {
        id: Uuid::parse_str(id).map_err(|error| sqlx::Error::Decode(error.into()))?,
        event: row.try_get("event")?,
        payload: row.try_get("payload")?,
        source: if source == Source::Client.as_str() { Source::Client } else { Source::BackEnd },
        sender: row.try_get("sender")?,
        sender_message_id: row.try_get("sender_message_id")?,
        inserted_at: Timestamp::from_micros(row.try_get("inserted_at")?),
    })
}

fn member(row: &SqliteRow) -> sqlx::Result<Member> {
    let inserted_at = Timestamp::from_micros(row.try_get("inserted_at")?);
    Ok(Member { user: row.try_get("user_id")?, role: row.try_get("role")?, inserted_at })
}
