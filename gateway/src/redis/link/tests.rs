//! Connections that look alive and are not: against a server of our own that lies.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fred::types::config::Server;
use redis_protocol::resp3::decode::complete::decode_bytes_mut;
use redis_protocol::resp3::types::{BytesFrame, Resp3Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::listener::Listener;
use super::super::place::{Place, Work};
use super::super::settings::Settings;
use super::Link;

#[derive(Debug, PartialEq)]
enum Event {
    Message(String, Bytes),
    Subscribed(String),
    Interrupted(String),
    Fallen,
    Risen(bool),
}

struct Recorder(mpsc::UnboundedSender<Event>);

impl Recorder {
    fn note(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

impl Listener for Recorder {
    fn message(&self, channel: &str, payload: &Bytes) {
        self.note(Event::Message(channel.into(), payload.clone()));
    }

    fn subscribed(&self, channel: &str) {
        self.note(Event::Subscribed(channel.into()));
    }

    fn interrupted(&self, channel: &str) {
        self.note(Event::Interrupted(channel.into()));
    }

    fn fallen(&self) {
        self.note(Event::Fallen);
    }

    fn risen(&self, again: bool) {
        self.note(Event::Risen(again));
    }
}

struct There(u16);

impl Place for There {
    fn server(&self) -> Option<Server> {
        Some(Server::new("127.0.0.1", self.0))
    }

    fn canary(&self) -> Option<String> {
        Some("canary".into())
    }

    fn release(&self, _canary: &str) -> Work<bool> {
        Box::pin(async { true })
    }
}

/// How the server behaves once it has answered the first PING.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// Answers everything and sends no message.
    Deaf,
    /// Answers nothing more.
    Mute,
    /// Sends the beginning of a message that never ends.
    Endless,
    /// Sends what is not RESP3.
    Garbage,
    /// Refuses the login.
    Refusing,
}

async fn serve(mut stream: TcpStream, lie: Lie) -> std::io::Result<()> {
    let (mut buffer, mut pinged) = (BytesMut::new(), false);
    loop {
        while let Ok(Some((BytesFrame::Array { data, .. }, ..))) = decode_bytes_mut(&mut buffer) {
            let words: Vec<String> = data.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect();
            let first = !pinged;
            let reply = match words[0].as_str() {
                "HELLO" if lie == Lie::Refusing => "-WRONGPASS no\r\n".to_owned(),
                "HELLO" => "%1\r\n+proto\r\n:3\r\n".to_owned(),
                "SUBSCRIBE" => words[1..]
                    .iter()
                    .map(|name| format!(">3\r\n$9\r\nsubscribe\r\n${}\r\n{name}\r\n:1\r\n", name.len()))
                    .collect(),
                "PING" => {
                    pinged = true;
                    if first || lie != Lie::Mute { "+PONG\r\n".to_owned() } else { String::new() }
                }
                _ => String::new(),
            };
            stream.write_all(reply.as_bytes()).await?;
            if first && pinged && lie == Lie::Endless {
                stream.write_all(b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1000000000\r\n").await?;
                loop {
                    stream.write_all(&[b'x'; 64 * 1024]).await?;
                }
            }
            if first && pinged && lie == Lie::Garbage {
                stream.write_all(b"what?\r\n").await?;
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

struct Fixture {
    events: mpsc::UnboundedReceiver<Event>,
    link: Arc<Link>,
    _work: tokio::task::JoinSet<()>,
}

impl Fixture {
    async fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut settings = Settings::new(&format!("redis://127.0.0.1:{port}"), "test").unwrap();
        (settings.heartbeat, settings.patience) = (Duration::from_millis(100), Duration::from_millis(200));
        let (sender, events) = mpsc::unbounded_channel();
        let link = Link::new("test".into(), settings, Box::new(There(port)), Arc::new(Recorder(sender)));
        let link = Arc::new(link);
        link.subscribe("a");
        let mut work = tokio::task::JoinSet::new();
        work.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The link hangs up: that is what the tests are about.
                let _ = serve(stream, lie).await;
            }
        });
        work.spawn(link.clone().run());
        Self { events, link, _work: work }
    }

    async fn next(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.expect("soon").expect("an event")
    }

    async fn falls_and_comes_back(mut self) {
        for again in [false, true, true] {
            assert_eq!(self.next().await, Event::Subscribed("a".into()));
            assert_eq!(self.next().await, Event::Risen(again));
            assert_eq!(self.next().await, Event::Interrupted("a".into()));
            assert_eq!(self.next().await, Event::Fallen);
        }
    }
}

#[tokio::test]
async fn a_subscription_that_hears_nothing_is_replaced() {
    Fixture::start(Lie::Deaf).await.falls_and_comes_back().await;
}

#[tokio::test]
async fn a_connection_that_answers_nothing_is_replaced() {
    Fixture::start(Lie::Mute).await.falls_and_comes_back().await;
}

#[tokio::test]
async fn a_message_without_end_is_not_kept() {
    Fixture::start(Lie::Endless).await.falls_and_comes_back().await;
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    Fixture::start(Lie::Garbage).await.falls_and_comes_back().await;
}

#[tokio::test]
async fn a_refused_login_is_tried_again() {
    let mut fixture = Fixture::start(Lie::Refusing).await;
    for _ in 0..3 {
        assert_eq!(fixture.next().await, Event::Fallen);
    }
    assert!(fixture.link.status().outage().is_some());
}

#[tokio::test]
async fn a_retired_link_ends() {
    let link = Fixture::start(Lie::Deaf).await.link;
    link.retire();
    tokio::time::timeout(Duration::from_secs(5), link.run()).await.expect("soon");
}
