//! Refused connections, before anything of their request is read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::admission::Refused;
use super::arrival::Front;
use crate::lifecycle::Tasks;
use crate::socket::ConnectResult;

/// How long a refused client may take to send its request and to take the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest request head that is read away: one with unread bytes would be reset, and the answer lost.
const LONGEST_HEAD: usize = 16 * 1024;

/// Answers a refused connection and closes it; over TLS, or when too many are being answered, it is only closed.
pub(super) fn refuse(front: &Arc<Front>, stream: TcpStream, refused: Refused, tasks: &Tasks) {
    let slot = front.answer_slot();
    front.metrics.connect(if slot.is_some() { refused.result() } else { ConnectResult::Shed });
    match slot {
        // A TLS handshake for nothing but a refusal is what a flood would want.
        Some(slot) if front.tls.is_none() => tasks.spawn_until_stop(answer(stream, refused, slot)),
        _ => reset(&stream),
    }
}

/// Closes without waiting for anything, so that nothing of the connection stays in the kernel.
fn reset(stream: &TcpStream) {
    // Where it fails the connection is closed in the ordinary way.
    let _unsupported = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn answer(mut stream: TcpStream, refused: Refused, _slot: OwnedSemaphorePermit) {
    let answered = timeout(PATIENCE, async {
        read_head(&mut stream).await?;
        stream.write_all(response(refused).as_bytes()).await?;
        stream.shutdown().await
    });
    // Who does not wait for the answer, or never asks, gets none.
    if !matches!(answered.await, Ok(Ok(()))) {
        reset(&stream);
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if head.len() >= LONGEST_HEAD || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(())
}

fn response(refused: Refused) -> String {
    let (status, body) = (refused.status(), refused.to_string());
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nretry-after: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len(),
        refused.retry_after(),
    )
}
