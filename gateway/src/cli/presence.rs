use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::api_client::ApiClient;
use super::args::TopicArgs;
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::redis_settings;
use crate::config::Config;
use crate::presence;

/// Prints who is present in a topic, from Redis if a URL is given, else from the API of a running gateway.
pub(super) fn print_presence(config: &Config, options: &TopicArgs) -> Result<(), Failure> {
    let TopicArgs { topic, api } = options;
    if topic.is_empty() {
        return Err(Failure::Usage("the topic must not be empty".to_owned()));
    }
    runtime()?.block_on(async {
        let state = if let Some(settings) = redis_settings(config)? {
            let state = presence::look_up(&settings, topic).await?.map_err(Failure::unavailable)?;
            serde_json::to_string(&state).map_err(Failure::unavailable)?
        } else {
            let topic = utf8_percent_encode(topic, NON_ALPHANUMERIC);
            ApiClient::new(api)?.get(&format!("/api/v1/topics/{topic}/presence")).await?
        };
        print(&format!("{state}\n"));
        Ok(())
    })
}
