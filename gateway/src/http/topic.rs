use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::problem::Problem;
use crate::wire::MAX_NAME;

/// The topic of the path: one that clients could join.
pub(super) struct Topic(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Topic {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let topic: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        match topic {
            Ok(Path(topic)) if topic.len() <= MAX_NAME => Ok(Self(topic)),
            Ok(_) => Err(Problem::bad_request("a topic has at most 255 bytes")),
            Err(_) => Err(Problem::bad_request("write the topic into the path in UTF-8, percent-encoded")),
        }
    }
}

/// The topic of the path, and the user behind it.
pub(super) struct TopicUser {
    pub(super) topic: String,
    pub(super) user: String,
}

impl<S: Send + Sync> FromRequestParts<S> for TopicUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let names: Result<Path<(String, String)>, PathRejection> = Path::from_request_parts(parts, state).await;
        match names {
            Ok(Path((topic, user))) if topic.len().max(user.len()) <= MAX_NAME => Ok(Self { topic, user }),
            Ok(_) => Err(Problem::bad_request("a topic and a user have at most 255 bytes")),
            Err(_) => Err(Problem::bad_request("write topic and user into the path in UTF-8, percent-encoded")),
        }
    }
}
