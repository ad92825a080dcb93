use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use tokio::sync::mpsc;

use super::problem::Problem;
use super::topic::Topic;
use crate::channel::Endpoint;
use crate::pubsub::{Delivery, Received, Receiver, Subscriber};

/// How many events may wait for a reader that is too slow; more are left out.
const MAX_WAITING: usize = 1024;

/// `GET /api/v1/topics/{topic}/events`: the broadcasts of a topic as JSON lines, as they come.
pub(super) async fn get(State(endpoint): State<Endpoint>, Topic(topic): Topic) -> Result<Response, Problem> {
    let pubsub = endpoint.pubsub();
    let (lines, waiting) = mpsc::channel(MAX_WAITING);
    let interest = pubsub.interest(&topic).await.map_err(|_| Problem::unavailable())?;
    let delivery = Delivery::Receiver(Arc::new(Lines(lines)));
    let subscription = interest.attach(Subscriber { id: pubsub.next_subscriber_id(), delivery }, || {});
    // The subscription lives as long as the stream, which the server drops when the reader goes away.
    let lines = stream::unfold((waiting, subscription), |(mut waiting, subscription)| async move {
        let line = waiting.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), (waiting, subscription)))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

struct Lines(mpsc::Sender<Bytes>);

impl Receiver for Lines {
    fn receive(&self, message: &Arc<Received>) {
        // A reader that is too slow, or gone, misses the line: it must not hold up the others.
        let _missed = self.0.try_send(message.to_json_line().into());
    }
}
