use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Nothing that a test waits for takes so long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request to connect, byte for byte: what WebSocket libraries would not send can be sent, too.
#[derive(Clone)]
pub(crate) struct Handshake {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
}

/// The head of a response, and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Handshake {
    /// A good one, with nothing but what it needs.
    pub(crate) fn to(target: &str) -> Self {
        let headers = [
            ("host", "gateway.test"),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { method: "GET", target: target.to_owned(), headers }
    }

    /// No handshake at all: a plain request.
    pub(crate) fn plain(method: &'static str, target: &str) -> Self {
        let headers = vec![("host".to_owned(), "gateway.test".to_owned())];
        Self { method, target: target.to_owned(), headers }
    }

    /// With one more header line.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another value of a header, or without it.
    pub(crate) fn instead(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.retain(|(other, _)| other != name);
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        self.open(Ipv4Addr::LOCALHOST, address).await.0
    }

    /// Sends it from an address of this machine (127.x.y.z) and reads the answer; the connection stays open.
    pub(crate) async fn open(&self, source: Ipv4Addr, address: SocketAddr) -> (Answer, TcpStream) {
        let mut stream = connect_from(source, address).await;
        let answer = self.send_on(&mut stream).await;
        (answer, stream)
    }

    /// Sends it on a connection that is open.
    pub(crate) async fn send_on(&self, stream: &mut TcpStream) -> Answer {
        stream.write_all(self.request().as_bytes()).await.unwrap();
        timeout(PATIENCE, Answer::read(stream)).await.expect("no answer")
    }

    /// As it stands on the wire.
    pub(crate) fn request(&self) -> String {
        let mut request = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request
    }
}

/// A TCP connection from an address of this machine.
pub(crate) async fn connect_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    timeout(PATIENCE, socket.connect(address)).await.expect("no connection").unwrap()
}

impl Answer {
    /// Reads one response.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut read = Vec::new();
        let head_end = loop {
            if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "no whole response");
        };
        let head = String::from_utf8(read[..head_end].to_vec()).unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut answer = Self { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while read.len() < head_end + 4 + length {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "no whole body");
        }
        answer.body = String::from_utf8(read.split_off(head_end + 4)).unwrap();
        answer
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The page of metrics.
pub(crate) async fn metrics(internal: SocketAddr) -> String {
    let answer = Handshake::plain("GET", "/metrics").send(internal).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}
