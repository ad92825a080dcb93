//! Drives the crate `phoenix_channels_client`. Orders come in on stdin, a JSON object a line, and are answered with
//! `{"answer": …}` or `{"failed": …}`; what the client hears goes out as `{"event": …}`. See `python/stage.py`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use phoenix_channels_client::{Channel, Client, Config, Payload};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

type Outcome = Result<Value, Box<dyn std::error::Error>>;

#[derive(Default)]
struct Driver {
    client: Option<Client>,
    channels: HashMap<String, Arc<Channel>>,
}

impl Driver {
    async fn perform(&mut self, order: &Value) -> Outcome {
        let topic = order["topic"].as_str().unwrap_or_default();
        match order["do"].as_str() {
            Some("connect") => self.connect(order["url"].as_str().ok_or("no url")?, &order["params"]).await,
            Some("join") => self.join(topic, &order["events"]).await,
            Some("push") => {
                let event = order["event"].as_str().unwrap_or_default();
                let sent = self.channel(topic)?.send_with_timeout(event, order["payload"].clone(), TIMEOUT);
                Ok(json!({ "ok": value(&sent.await?) }))
            }
            Some("is_joined") => Ok(self.channel(topic)?.is_joined().into()),
            Some("leave") => {
                self.channel(topic)?.leave().await;
                Ok(Value::Null)
            }
            other => Err(format!("an unknown order: {other:?}").into()),
        }
    }

    fn channel(&self, topic: &str) -> Result<&Arc<Channel>, String> {
        self.channels.get(topic).ok_or_else(|| format!("{topic} is not joined"))
    }

    /// A client that has lost its connection cannot connect again: this makes a new one.
    async fn connect(&mut self, url: &str, params: &Value) -> Outcome {
        let mut config = Config::new(url)?;
        for (name, value) in params.as_object().into_iter().flatten() {
            config.set(name, value.as_str().unwrap_or_default());
        }
        let mut client = Client::new(config)?;
        client.connect().await?;
        self.channels.clear();
        self.client = Some(client);
        Ok(Value::Null)
    }

    async fn join(&mut self, topic: &str, events: &Value) -> Outcome {
        let client = self.client.as_ref().ok_or("not connected")?;
        let channel = client.join(topic, TIMEOUT).await?;
        for event in events.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let name = event.to_owned();
            let hear = move |channel: Arc<Channel>, payload: &Payload| {
                say(&json!({ "event": name, "topic": channel.topic(), "payload": value(payload) }));
            };
            channel.on(event, hear).await?;
        }
        self.channels.insert(topic.to_owned(), channel);
        Ok(Value::Null)
    }
}

/// Bytes become an array of numbers.
fn value(payload: &Payload) -> Value {
    match payload {
        Payload::Value(value) => value.clone(),
        Payload::Binary(bytes) => bytes.clone().into(),
    }
}

fn say(line: &Value) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut driver = Driver::default();
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        let order = serde_json::from_str(&line)?;
        match driver.perform(&order).await {
            Ok(answer) => say(&json!({ "answer": answer })),
            Err(error) => say(&json!({ "failed": error.to_string() })),
        }
    }
    Ok(())
}
