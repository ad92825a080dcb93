//! One connection that subscribes: RESP3 as it comes, nothing between the socket and the reader.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fred::types::config::Server;
use redis_protocol::resp3::decode::complete::decode_bytes_mut;
use redis_protocol::resp3::types::BytesFrame;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::client::CONNECT_TIMEOUT;
use super::settings::Location;

/// The largest message that is taken, in bytes. A larger one ends the connection, so that nobody can fill the memory.
const MAX_FRAME: usize = 20 * 1024 * 1024;

const READ_CHUNK: usize = 64 * 1024;

/// Why a connection ended.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The network said so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The TLS handshake failed.
    #[error("TLS: {0} (trusted are the certificates of the system, or of the file that SSL_CERT_FILE names)")]
    Tls(#[source] io::Error),
    /// The connection was closed instead of a greeting.
    #[error("{0}, in place of an answer to HELLO 3 (a port that speaks TLS needs rediss://)")]
    NoGreeting(#[source] io::Error),
    /// No answer in time.
    #[error("no answer to {0} in time")]
    Timeout(&'static str),
    /// The server refused something.
    #[error("refused by the server: {0}")]
    Refused(String),
    /// It is not RESP3, or a message is too large.
    #[error("not understood: {0}")]
    Protocol(&'static str),
    /// Nobody knows which server to connect to.
    #[error("the primary is not known")]
    NoServer,
    /// Another server is responsible now.
    #[error("another server has become the primary")]
    Moved,
    /// A listener has a defect.
    #[error("a listener panicked")]
    Panicked,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The reading side.
pub(super) struct Reader {
    stream: ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
}

/// The writing side: commands wait in `out` until `flush` has written them.
pub(super) struct Writer {
    stream: WriteHalf<Box<dyn Stream>>,
    out: BytesMut,
    /// Whether TLS may hold back a part of a record.
    unflushed: bool,
}

/// What a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// A message of a channel.
    Message { channel: Bytes, payload: Bytes },
    /// The confirmation of one channel.
    Subscribed(Bytes),
    /// The end of one channel, asked for or not.
    Unsubscribed(Bytes),
    /// An error, in the place of a confirmation.
    Error(String),
    /// The answer to a PING.
    Pong,
    /// Whatever else.
    Other,
}

/// Connects and logs in, within 4 seconds.
pub(super) async fn open(
    server: &Server,
    location: &Location,
    name: &str,
) -> Result<(Reader, Writer), ConnectionError> {
    open_as(server, location, location.credentials(), name).await
}

/// As [`open`], with other credentials: those of a Sentinel.
pub(super) async fn open_as(
    server: &Server,
    location: &Location,
    credentials: Option<(&str, &str)>,
    name: &str,
) -> Result<(Reader, Writer), ConnectionError> {
    let timeout = |step| move |_| ConnectionError::Timeout(step);
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let stream = timeout_at(deadline, connect(server)).await.map_err(timeout("connect"))??;
    let secured = timeout_at(deadline, secure(stream, server, location)).await;
    let stream = secured.map_err(timeout("the TLS handshake (rediss:// needs a port that speaks TLS)"))??;
    let (read, write) = tokio::io::split(stream);
    let mut reader = Reader { stream: read, buffer: BytesMut::new() };
    let mut writer = Writer { stream: write, out: BytesMut::new(), unflushed: false };
    let mut hello = vec!["HELLO", "3"];
    if let Some((user, password)) = credentials {
        hello.extend(["AUTH", user, password]);
    }
    hello.extend(["SETNAME", name]);
    writer.command(hello);
    let login = async {
        while writer.has_output() {
            writer.flush().await?;
        }
        reader.next().await
    };
    let greeting = tokio::time::timeout(CONNECT_TIMEOUT, login).await.map_err(timeout("HELLO"))?;
    let greeting = greeting.map_err(|error| match error {
        ConnectionError::Io(error) => ConnectionError::NoGreeting(error),
        other => other,
    });
    match greeting? {
        // The rest of the message may repeat what was sent, password included.
        Reply::Error(error) => {
            let code = error.split_whitespace().next().unwrap_or_default();
            Err(ConnectionError::Refused(format!(
                "{code} (to HELLO 3: check the credentials; Redis 7 or later is needed)"
            )))
        }
        _ => Ok((reader, writer)),
    }
}

async fn connect(server: &Server) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*server.host, server.port)).await?;
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// Speaks TLS if the location says so.
async fn secure(stream: TcpStream, server: &Server, location: &Location) -> Result<Box<dyn Stream>, ConnectionError> {
    let Some(tls) = location.tls() else { return Ok(Box::new(stream)) };
    let name = server.tls_server_name.as_deref().unwrap_or(&server.host).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream =
        tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(ConnectionError::Tls)?;
    Ok(Box::new(stream))
}

impl Reader {
    /// The next reply. Loses nothing when it is dropped before it is ready.
    pub(super) async fn next(&mut self) -> Result<Reply, ConnectionError> {
        self.next_frame().await.map(Reply::from)
    }

    /// The next reply, as it came. Loses nothing when it is dropped before it is ready.
    pub(super) async fn next_frame(&mut self) -> Result<BytesFrame, ConnectionError> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            self.buffer.reserve(READ_CHUNK);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next reply, if it has been read already.
    pub(super) fn buffered(&mut self) -> Result<Option<Reply>, ConnectionError> {
        Ok(self.buffered_frame()?.map(Reply::from))
    }

    fn buffered_frame(&mut self) -> Result<Option<BytesFrame>, ConnectionError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let decoded = decode_bytes_mut(&mut self.buffer).map_err(|_| ConnectionError::Protocol("not RESP3"))?;
        match decoded {
            Some((frame, ..)) => Ok(Some(frame)),
            None if self.buffer.len() > MAX_FRAME => Err(ConnectionError::Protocol("a message is too large")),
            None => Ok(None),
        }
    }
}

impl Writer {
    /// Queues a command.
    pub(super) fn command<'a>(&mut self, words: impl IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>) {
        let words = words.into_iter();
        self.out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.out.extend_from_slice(word.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty() || self.unflushed
    }

    /// Writes some of what is queued. Loses nothing when it is dropped before it is ready.
    pub(super) async fn flush(&mut self) -> Result<(), ConnectionError> {
        if !self.out.is_empty() {
            self.unflushed = true;
            if self.stream.write_buf(&mut self.out).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
        }
        self.stream.flush().await?;
        self.unflushed = false;
        Ok(())
    }
}

impl From<BytesFrame> for Reply {
    fn from(frame: BytesFrame) -> Self {
        match frame {
            BytesFrame::Push { data, .. } => Self::from_push(data),
            BytesFrame::SimpleString { data, .. } if data == "PONG" => Self::Pong,
            BytesFrame::SimpleError { data, .. } => Self::Error(data.to_string()),
            BytesFrame::BlobError { data, .. } => Self::Error(String::from_utf8_lossy(&data).into_owned()),
            _ => Self::Other,
        }
    }
}

impl Reply {
    fn from_push(data: Vec<BytesFrame>) -> Self {
        let mut data = data.into_iter();
        let mut text = || match data.next() {
            Some(BytesFrame::BlobString { data, .. } | BytesFrame::SimpleString { data, .. }) => Some(data),
            _ => None,
        };
        let (Some(kind), Some(channel)) = (text(), text()) else { return Self::Other };
        match &*kind {
            b"message" | b"smessage" => text().map_or(Self::Other, |payload| Self::Message { channel, payload }),
            b"subscribe" | b"ssubscribe" => Self::Subscribed(channel),
            b"unsubscribe" | b"sunsubscribe" => Self::Unsubscribed(channel),
            _ => Self::Other,
        }
    }
}
