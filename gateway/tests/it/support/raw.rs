use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::handshake::Answer;

/// Nothing that a test waits for takes so long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket without a library, which can break every rule. Its two halves can be used at once.
pub(crate) struct RawSocket {
    pub(crate) writer: RawWriter,
    pub(crate) reader: RawReader,
}

pub(crate) struct RawWriter(OwnedWriteHalf);

pub(crate) struct RawReader(OwnedReadHalf);

/// A frame from the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RawFrame {
    Text(String),
    /// Its code, if there is one.
    Close(Option<u16>),
    /// Another, by its first byte.
    Other(u8, Vec<u8>),
}

/// A frame as a client sends it. Its masking key is all zeros, so that the payload stands there as it is.
pub(crate) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

impl RawSocket {
    /// Connects to a path and query.
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: gateway.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = timeout(PATIENCE, Answer::read(&mut stream)).await.expect("no answer");
        assert_eq!(answer.status, 101, "{answer:?}");
        Self::over(stream)
    }

    /// On a connection that was upgraded.
    pub(crate) fn over(stream: TcpStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { writer: RawWriter(writer), reader: RawReader(reader) }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.writer.send(bytes).await.unwrap();
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> RawFrame {
        self.reader.next().await
    }

    /// The code of the close frame that comes next.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        match self.next().await {
            RawFrame::Close(code) => code,
            other => panic!("not closed: {other:?}"),
        }
    }
}

impl RawWriter {
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the gateway does not read")
    }

    /// Sends no more, but can be answered still.
    pub(crate) async fn finish(&mut self) {
        // It may be closed already.
        let _closed = self.0.shutdown().await;
    }
}

impl RawReader {
    pub(crate) async fn next(&mut self) -> RawFrame {
        self.next_or_end().await.expect("the stream ended without a close frame")
    }

    /// The next frame, or none when the connection has ended.
    pub(crate) async fn next_or_end(&mut self) -> Option<RawFrame> {
        timeout(PATIENCE, self.read()).await.expect("nothing came").ok()
    }

    async fn read(&mut self) -> io::Result<RawFrame> {
        let (first, second) = (self.0.read_u8().await?, self.0.read_u8().await?);
        let len = match second {
            len @ 0..=125 => usize::from(len),
            126 => usize::from(self.0.read_u16().await?),
            127 => usize::try_from(self.0.read_u64().await?).unwrap(),
            _ => panic!("a server does not mask"),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload).await?;
        Ok(match first {
            0x81 => RawFrame::Text(String::from_utf8(payload).unwrap()),
            0x88 => RawFrame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            other => RawFrame::Other(other, payload),
        })
    }
}
