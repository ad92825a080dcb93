use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow, Postgres as Driver};
use uuid::Uuid;

use super::error::{READ_ONLY, is_read_only};
use super::lease::Lease;
use super::model::{Archived, Insertion, Member, Row, Source};
use super::timestamp::Timestamp;

/// How many connections a pod has at most. Calls beyond them wait for one.
const CONNECTIONS: u32 = 10;

/// How long the server works for one statement. Less than a call may take, so that it ends by itself and its connection is
/// used again; and when the call is given up, as it waited for a place first, the server goes on no longer than this. Without
/// it a server process whose client has gone waits for a lock as long as that is held, and a pod that calls again and again
/// takes all places that the server has.
const STATEMENT: &str = "SET statement_timeout = '1800ms'";

/// The columns of a message, as [`message`] reads them.
macro_rules! select_message {
    ($rest:literal) => {
        concat!(
            "SELECT id, event, payload::text AS payload, source, sender, sender_message_id, \
             (extract(epoch FROM inserted_at) * 1000000)::bigint AS inserted_at FROM gateway_messages ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO gateway_messages \
     (id, topic, event, payload, source, sender, sender_message_id, inserted_at) \
     VALUES ($1, $2, $3, $4::json, $5, $6, $7, timestamptz 'epoch' + $8::bigint * interval '1 microsecond') \
     ON CONFLICT (topic, source, coalesce(sender, ''), sender_message_id) WHERE sender_message_id IS NOT NULL DO NOTHING";
const SENT_BEFORE: &str =
    select_message!("WHERE topic = $1 AND source = $2 AND coalesce(sender, '') = $3 AND sender_message_id = $4");
const LATEST: &str = select_message!("WHERE topic = $1 ORDER BY id DESC LIMIT $2");
const BEFORE: &str = select_message!("WHERE topic = $1 AND id < $3 ORDER BY id DESC LIMIT $2");
const ROLE: &str = "SELECT role FROM gateway_members WHERE topic = $1 AND user_id = $2";
const ADD: &str = "INSERT INTO gateway_members (topic, user_id, role, inserted_at) \
     VALUES ($1, $2, $3, timestamptz 'epoch' + $4::bigint * interval '1 microsecond') \
     ON CONFLICT (topic, user_id) DO UPDATE SET role = excluded.role \
     RETURNING user_id, role, (extract(epoch FROM inserted_at) * 1000000)::bigint AS inserted_at";
const REMOVE: &str = "DELETE FROM gateway_members WHERE topic = $1 AND user_id = $2";
const MEMBERS: &str = "SELECT user_id, role, (extract(epoch FROM inserted_at) * 1000000)::bigint AS inserted_at \
     FROM gateway_members WHERE topic = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";

/// A server.
pub(super) struct Postgres(PgPool);

impl Postgres {
    pub(super) fn new(options: PgConnectOptions, acquire: Duration) -> Self {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(acquire);
        // Not in the options that the connection begins with: poolers refuse what they do not know there.
        let pool = pool.after_connect(|connection, _| {
            Box::pin(async move { sqlx::query(STATEMENT).execute(connection).await.map(drop) })
        });
        Self(pool.connect_lazy_with(options))
    }

    /// The call has ended. A server that has become read-only is one that another has taken over from: what leads to it is
    /// closed, so that the next call finds the other.
    fn end<T>(&self, lease: Lease<Driver>, outcome: sqlx::Result<T>) -> sqlx::Result<T> {
        match &outcome {
            Err(error) if is_read_only(error) => {
                drop(lease);
                while let Some(idle) = self.0.try_acquire() {
                    drop(idle.detach());
                }
            }
            _ => lease.give_back(),
        }
        outcome
    }

    pub(super) async fn ping(&self) -> sqlx::Result<()> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let answer = sqlx::query_scalar::<_, String>("SHOW transaction_read_only").fetch_one(&mut *lease).await;
        let answer = match answer {
            Ok(state) if state == "on" => Err(sqlx::Error::Protocol(READ_ONLY.to_owned())),
            other => other.map(drop),
        };
        self.end(lease, answer)
    }

    pub(super) async fn insert(&self, row: &Row<'_>) -> sqlx::Result<Insertion> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let (message, source) = (row.message, row.message.source.as_str());
        let inserted = sqlx::query(INSERT)
            .bind(row.id)
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
        self.end(lease, outcome)
    }

    pub(super) async fn page(&self, topic: &str, before: Option<Uuid>, limit: u32) -> sqlx::Result<Vec<Archived>> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let query = sqlx::query(if before.is_some() { BEFORE } else { LATEST }).bind(topic).bind(i64::from(limit));
        let query = match before {
            Some(before) => query.bind(before),
            None => query,
        };
        let rows = query.fetch_all(&mut *lease).await;
        self.end(lease, rows)?.iter().map(message).collect()
    }

    pub(super) async fn role(&self, topic: &str, user: &str) -> sqlx::Result<Option<String>> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let role = sqlx::query_scalar(ROLE).bind(topic).bind(user).fetch_optional(&mut *lease).await;
        self.end(lease, role)
    }

    pub(super) async fn add_member(&self, topic: &str, user: &str, role: &str, now: Timestamp) -> sqlx::Result<Member> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let query = sqlx::query(ADD).bind(topic).bind(user).bind(role).bind(now.micros());
        let row = query.fetch_one(&mut *lease).await;
        member(&self.end(lease, row)?)
    }

    pub(super) async fn remove_member(&self, topic: &str, user: &str) -> sqlx::Result<bool> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let done = sqlx::query(REMOVE).bind(topic).bind(user).execute(&mut *lease).await;
        Ok(self.end(lease, done)?.rows_affected() > 0)
    }

    pub(super) async fn members(&self, topic: &str, after: &str, limit: u32) -> sqlx::Result<Vec<Member>> {
        let mut lease = Lease::<Driver>::take(&self.0).await?;
        let query = sqlx::query(MEMBERS).bind(topic).bind(after).bind(i64::from(limit));
        let rows = query.fetch_all(&mut *lease).await;
        self.end(lease, rows)?.iter().map(member).collect()
    }
}

fn message(row: &PgRow) -> sqlx::Result<Archived> {
    let source: &str = row.try_get("source")?;
    Ok(Archived {
        id: row.try_get("id")?,
        event: row.try_get("event")?,
        payload: row.try_get("payload")?,
        source: if source == Source::Client.as_str() { Source::Client } else { Source::BackEnd },
        sender: row.try_get("sender")?,
        sender_message_id: row.try_get("sender_message_id")?,
        inserted_at: Timestamp::from_micros(row.try_get("inserted_at")?),
    })
}

fn member(row: &PgRow) -> sqlx::Result<Member> {
    let inserted_at = Timestamp::from_micros(row.try_get("inserted_at")?);
    Ok(Member { user: row.try_get("user_id")?, role: row.try_get("role")?, inserted_at })
}
