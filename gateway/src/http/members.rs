use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::paging::{cut, page_size};
use super::problem::Problem;
use super::topic::{Topic, TopicUser};
use crate::store::{MAX_ROLE, Member};

/// Which page is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<u32>,
    after: Option<String>,
}

/// A page of the members of a topic, in the order of their names.
#[derive(Serialize)]
pub(super) struct Page {
    members: Vec<Member>,
    /// What to ask for as `after` to get the next page; none when this is the last.
    next: Option<String>,
}

/// What a user is to be in a topic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    #[serde(default = "usual_role")]
    role: String,
}

fn usual_role() -> String {
    "member".to_owned()
}

/// Who is a member of a topic.
pub(super) async fn get(
    State(api): State<Api>,
    Topic(topic): Topic,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(Asked { limit, after }) = asked?;
    let size = page_size(limit)?;
    let mut members = api.store()?.members(&topic, after.as_deref(), size + 1).await?;
    let more = cut(&mut members, size);
    let next = members.last().filter(|_| more).map(|last| last.user.clone());
    Ok(Json(Page { members, next }))
}

/// Makes a user a member, or gives a member another role.
pub(super) async fn put(
    State(api): State<Api>,
    TopicUser { topic, user }: TopicUser,
    role: Result<Json<Role>, JsonRejection>,
) -> Result<Json<Member>, Problem> {
    let Json(Role { role }) = role?;
    if !(1..=MAX_ROLE).contains(&role.len()) {
        return Err(Problem::bad_request(format!("`role` must have 1 to {MAX_ROLE} bytes")));
    }
    Ok(Json(api.store()?.add_member(&topic, &user, &role).await?))
}

/// Makes sure that a user is no member: 204 whether it was one or not.
pub(super) async fn delete(
    State(api): State<Api>,
    TopicUser { topic, user }: TopicUser,
) -> Result<StatusCode, Problem> {
    api.store()?.remove_member(&topic, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}
