use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;

use super::api_client::ApiClient;
use super::args::TopicArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::connect_redis;
use crate::config::Config;
use crate::pubsub::{Delivery, Received, Receiver, Subscriber};

/// How many messages may wait to be printed; more are left out.
const MAX_WAITING: usize = 65_536;

/// Prints the broadcasts of a topic as JSON lines until it is stopped, or nobody reads them any more.
pub(super) fn tail(config: &Config, options: &TopicArgs) -> Result<(), Failure> {
    let TopicArgs { topic, api } = options;
    runtime()?.block_on(async {
        if config.redis.url.is_some() {
            let redis = connect_redis(config).await?;
            let (lines, mut waiting) = mpsc::channel(MAX_WAITING);
            let interest = redis.pubsub.interest(topic).await.map_err(Failure::unavailable)?;
            let delivery = Delivery::Receiver(Arc::new(Printer(lines)));
            let id = redis.pubsub.next_subscriber_id();
            let _subscription = interest.attach(Subscriber { id, delivery }, || {});
            while let Some(line) = waiting.recv().await {
                if !print(&line) {
                    break;
                }
            }
            Ok(())
        } else {
            let topic = utf8_percent_encode(topic, NON_ALPHANUMERIC);
            ApiClient::new(api)?.stream(&format!("/api/v1/topics/{topic}/events"), print).await
        }
    })
}

struct Printer(mpsc::Sender<String>);

impl Receiver for Printer {
    fn receive(&self, message: &Arc<Received>) {
        let _left_out = self.0.try_send(message.to_json_line());
    }
}
