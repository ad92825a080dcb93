use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};
use uuid::Uuid;

use crate::database::can_hold;
use crate::donation::{Donation, Given};

/// Tables, made when they are missing; three campaigns are there from the beginning. The `reference` is a bank's, which may
/// tell of one transfer twice.
pub(crate) const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS campaigns (id TEXT PRIMARY KEY, goal BIGINT NOT NULL, raised BIGINT NOT NULL DEFAULT 0, \
     donors BIGINT NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS donations (id TEXT PRIMARY KEY, campaign_id TEXT NOT NULL REFERENCES campaigns (id), \
     amount BIGINT NOT NULL, donor TEXT NOT NULL, made_at TEXT NOT NULL, source TEXT, reference TEXT UNIQUE)",
    "INSERT INTO campaigns (id, goal) VALUES ('1', 50000000), ('2', 20000000), ('3', 5000000) ON CONFLICT (id) DO NOTHING",
];

/// A campaign as everybody sees it; amounts are in rupiah.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Campaign {
    pub(crate) id: String,
    pub(crate) goal: i64,
    pub(crate) raised: i64,
    /// How often somebody has given.
    pub(crate) donors: i64,
}

impl Campaign {
    /// Whether it has not reached its goal.
    pub(crate) fn is_active(&self) -> bool {
        self.raised < self.goal
    }
}

/// Why something is not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is no such campaign")]
    NoSuchCampaign,
    #[error("this transfer is stored already")]
    Duplicate,
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// Campaigns and donations. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Campaigns {
    pool: AnyPool,
}

impl Campaigns {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Campaign>, StoreError> {
        if !can_hold(id) {
            return Ok(None);
        }
        let query = sqlx::query("SELECT id, goal, raised, donors FROM campaigns WHERE id = $1").bind(id);
        Ok(query.fetch_optional(&self.pool).await?.map(|row| campaign(&row)).transpose()?)
    }

    pub(crate) async fn all(&self) -> Result<Vec<Campaign>, StoreError> {
        let rows =
            sqlx::query("SELECT id, goal, raised, donors FROM campaigns ORDER BY id").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(campaign).collect::<Result<_, _>>()?)
    }

    /// The latest donations of all campaigns, newest first. Their ids begin with the time.
    pub(crate) async fn recent(&self, count: i64) -> Result<Vec<Given>, StoreError> {
        let query = "SELECT campaign_id, amount, donor, made_at, source FROM donations ORDER BY id DESC LIMIT $1";
        let rows = sqlx::query(query).bind(count).fetch_all(&self.pool).await?;
        Ok(rows.iter().map(given).collect::<Result<_, _>>()?)
    }

    /// Stores a donation and adds it to the totals, both or neither. `reference` names it, if it might come twice.
    pub(crate) async fn give(&self, given: &Given, reference: Option<&str>) -> Result<(), StoreError> {
        let Given { campaign_id, donation: Donation { amount, donor, timestamp, source } } = given;
        if !can_hold(campaign_id) {
            return Err(StoreError::NoSuchCampaign);
        }
        let mut transaction = self.pool.begin().await?;
        // First, since this locks the row: donations to one campaign follow each other.
        let add = "UPDATE campaigns SET raised = raised + $1, donors = donors + 1 WHERE id = $2";
        let added = sqlx::query(add).bind(amount).bind(campaign_id).execute(&mut *transaction).await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::NoSuchCampaign);
        }
        let insert = "INSERT INTO donations (id, campaign_id, amount, donor, made_at, source, reference) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (reference) DO NOTHING";
        let id = Uuid::now_v7().to_string();
        let query = sqlx::query(insert).bind(id).bind(campaign_id).bind(amount).bind(donor).bind(timestamp);
        let inserted = query.bind(source.as_deref()).bind(reference).execute(&mut *transaction).await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::Duplicate);
        }
        Ok(transaction.commit().await?)
    }

    /// Corrects what a campaign has raised.
    pub(crate) async fn set_raised(&self, id: &str, raised: i64) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE campaigns SET raised = $1 WHERE id = $2").bind(raised).bind(id);
        query.execute(&self.pool).await?;
        Ok(())
    }
}

fn campaign(row: &AnyRow) -> Result<Campaign, sqlx::Error> {
    Ok(Campaign {
        id: row.try_get("id")?,
        goal: row.try_get("goal")?,
        raised: row.try_get("raised")?,
        donors: row.try_get("donors")?,
    })
}

fn given(row: &AnyRow) -> Result<Given, sqlx::Error> {
    let donation = Donation {
        amount: row.try_get("amount")?,
        donor: row.try_get("donor")?,
        timestamp: row.try_get("made_at")?,
        source: row.try_get("source")?,
    };
    Ok(Given { campaign_id: row.try_get("campaign_id")?, donation })
}
