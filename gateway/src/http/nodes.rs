use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::problem::Problem;
use crate::channel::Endpoint;

/// What `GET /api/v1/nodes` answers.
#[derive(Serialize)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    id: String,
    lease_ms: Option<u64>,
    connections: Option<u64>,
    envelope: u8,
    #[serde(rename = "self")]
    is_self: bool,
}

/// The pods that live.
pub(super) async fn get(State(endpoint): State<Endpoint>) -> Result<Json<Nodes>, Problem> {
    let nodes = endpoint.presence_service().nodes().await.map_err(|_| Problem::unknown_now())?;
    let nodes = nodes.into_iter().map(|node| Node {
        id: node.id.to_string(),
        lease_ms: node.lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
        connections: node.about.connections,
        envelope: node.about.envelope,
        is_self: node.is_self,
    });
    Ok(Json(Nodes { nodes: nodes.collect() }))
}
