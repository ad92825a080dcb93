use std::sync::Arc;

use axum::extract::FromRef;
use http::StatusCode;

use super::problem::Problem;
use crate::builtin::Archive;
use crate::channel::Endpoint;
use crate::store::{Store, StoreError};

/// What the routes of the API work on.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) endpoint: Endpoint,
    /// The database, where there is one.
    pub(crate) archive: Option<Arc<Archive>>,
}

impl Api {
    /// # Errors
    /// When this gateway has no database.
    pub(super) fn store(&self) -> Result<&Store, Problem> {
        let archive = self.archive.as_ref().ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "this gateway has no database: set `database.url` in its configuration")
        })?;
        Ok(archive.store())
    }

    /// The archive, if it keeps such messages.
    pub(super) fn archive_of(&self, topic: &str, event: &str) -> Option<&Archive> {
        self.archive.as_deref().filter(|archive| archive.keeps(topic, event))
    }
}

impl FromRef<Api> for Endpoint {
    fn from_ref(api: &Api) -> Self {
        api.endpoint.clone()
    }
}

/// Who asked may ask again.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable => {
                let detail = "the database is away or too slow: it may or may not have happened, try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            StoreError::Unstorable => Self::bad_request("names cannot have the character U+0000"),
        }
    }
}
