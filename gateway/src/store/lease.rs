use std::ops::{Deref, DerefMut};

use sqlx::Database;
use sqlx::pool::{Pool, PoolConnection};

/// A connection of a pool for one call. If the call is given up half-way, the connection is closed: what comes next on it
/// would be the answer to something else, or nothing for a long time.
pub(super) struct Lease<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Lease<DB> {
    pub(super) async fn take(pool: &Pool<DB>) -> sqlx::Result<Self> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// The call has ended, well or not.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl<DB: Database> Deref for Lease<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.0.as_ref().expect("only `give_back` and `drop` take it")
    }
}

impl<DB: Database> DerefMut for Lease<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.0.as_mut().expect("only `give_back` and `drop` take it")
    }
}

impl<DB: Database> Drop for Lease<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
