//! One connection to one server that asks a few questions: for diagnosis, not for work.

use std::collections::VecDeque;
use std::time::Duration;

use fred::types::config::Server;
use redis_protocol::resp3::types::BytesFrame;
use thiserror::Error;

use super::client::COMMAND_TIMEOUT;
use super::connection::{self, ConnectionError, Reader, Reply, Writer};
use super::settings::Location;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The server says so: its error, with the code that it begins with.
    #[error("{0}")]
    Refused(String),
    /// The connection failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// A connection that sends one command at a time. It does not come back after a failure.
pub struct Probe {
    reader: Reader,
    writer: Writer,
    /// Messages of channels that came before somebody asked for them.
    messages: VecDeque<String>,
}

impl Probe {
    /// Connects to one server and logs in, within 4 seconds.
    ///
    /// # Errors
    /// When the server is away or refuses the login.
    pub async fn open(location: &Location, server: &Server) -> Result<Self, ConnectionError> {
        Ok(Self::new(connection::open(server, location, NAME).await?))
    }

    /// Connects to a Sentinel and logs in, within 4 seconds.
    ///
    /// # Errors
    /// When the Sentinel is away or refuses the login.
    pub async fn open_sentinel(location: &Location, server: &Server) -> Result<Self, ConnectionError> {
        Ok(Self::new(connection::open_as(server, location, location.sentinel_credentials(), NAME).await?))
    }

    fn new((reader, writer): (Reader, Writer)) -> Self {
        Self { reader, writer, messages: VecDeque::new() }
    }

    /// Runs a command. All text of the answer in order, whatever it is nested in: of a map, keys and values in turn.
    ///
    /// # Errors
    /// When the server refuses it, or does not answer within 2.5 seconds.
    pub async fn ask(&mut self, words: &[&str]) -> Result<Vec<String>, ProbeError> {
        self.writer.command(words.iter().copied());
        let answer = async {
            while self.writer.has_output() {
                self.writer.flush().await?;
            }
            loop {
                match self.reader.next_frame().await? {
                    frame @ BytesFrame::Push { .. } => match Reply::from(frame) {
                        // What SUBSCRIBE is answered with.
                        Reply::Subscribed(channel) => return Ok(vec![text_of(&channel)]),
                        reply => self.messages.extend(message(reply)),
                    },
                    BytesFrame::SimpleError { data, .. } => return Err(ProbeError::Refused(data.to_string())),
                    BytesFrame::BlobError { data, .. } => return Err(ProbeError::Refused(text_of(&data))),
                    frame => {
                        let mut texts = Vec::new();
                        collect(frame, &mut texts);
                        return Ok(texts);
                    }
                }
            }
        };
        let answer = tokio::time::timeout(COMMAND_TIMEOUT, answer).await;
        answer.unwrap_or_else(|_| Err(ConnectionError::Timeout("a command").into()))
    }

    /// The next message of a channel; None when none comes in time.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn message(&mut self, limit: Duration) -> Result<Option<String>, ProbeError> {
        let next = async {
            loop {
                if let Some(message) = self.messages.pop_front() {
                    return Ok(message);
                }
                let reply = self.reader.next().await?;
                self.messages.extend(message(reply));
            }
        };
        tokio::time::timeout(limit, next).await.map_or(Ok(None), |message| message.map(Some))
    }
}

/// As it stands in CLIENT LIST.
const NAME: &str = "gateway-doctor";

fn message(reply: Reply) -> Option<String> {
    match reply {
        Reply::Message { payload, .. } => Some(text_of(&payload)),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn collect(frame: BytesFrame, texts: &mut Vec<String>) {
    match frame {
        BytesFrame::Array { data, .. } => data.into_iter().for_each(|frame| collect(frame, texts)),
        BytesFrame::Set { data, .. } => data.into_iter().for_each(|frame| collect(frame, texts)),
        BytesFrame::Map { data, .. } => data.into_iter().for_each(|(key, value)| {
            collect(key, texts);
            collect(value, texts);
        }),
        BytesFrame::BlobString { data, .. }
        | BytesFrame::SimpleString { data, .. }
        | BytesFrame::VerbatimString { data, .. } => texts.push(text_of(&data)),
        BytesFrame::Number { data, .. } => texts.push(data.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::testing::RedisServer;

    async fn probe(server: &RedisServer) -> Probe {
        let location = Location::parse(&server.url()).unwrap();
        Probe::open(&location, &location.server().hosts()[0]).await.unwrap()
    }

    #[tokio::test]
    async fn answers_are_flat_and_errors_are_told_apart() {
        let server = RedisServer::start();
        let mut probe = probe(&server).await;
        assert_eq!(probe.ask(&["CONFIG", "GET", "maxmemory"]).await.unwrap(), ["maxmemory", "0"]);
        assert_eq!(probe.ask(&["HINCRBY", "h", "n", "2"]).await.unwrap(), ["2"]);
        assert!(probe.ask(&["INFO"]).await.unwrap()[0].contains("redis_version:"));
        let refused = probe.ask(&["NO-SUCH"]).await.unwrap_err();
        assert!(matches!(refused, ProbeError::Refused(text) if text.starts_with("ERR unknown command")));
        assert_eq!(probe.ask(&["PING"]).await.unwrap(), ["PONG"]);
    }

    #[tokio::test]
    async fn messages_wait_until_they_are_asked_for() {
        let server = RedisServer::start();
        let mut probe = probe(&server).await;
        assert_eq!(probe.ask(&["SUBSCRIBE", "c"]).await.unwrap(), ["c"]);
        probe.ask(&["PUBLISH", "c", "hello"]).await.unwrap();
        assert_eq!(probe.message(Duration::from_secs(5)).await.unwrap().as_deref(), Some("hello"));
        assert_eq!(probe.message(Duration::from_millis(10)).await.unwrap(), None);
    }
}
