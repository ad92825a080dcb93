use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::write_queue::WriteQueue;
use crate::socket::{CloseReason, Driver};
use crate::websocket::{CloseFrame, frames};

/// How long the other end may take to accept our last frames, and again to close its side.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of what the other end still sends is read away, so that our close frame is not lost to a reset.
const MAX_DISCARDED: usize = 64 * 1024 * 1024;

/// Ends a connection whose driver was told to close: its channels, so that others learn of it at once, and the WebSocket
/// beside them.
pub(super) async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut writes: WriteQueue,
    mut driver: Driver,
    client_close: Option<&CloseFrame>,
    reason: CloseReason,
) {
    let close_frame = match (reason.code(), reason) {
        (Some(code), _) => Some(frames::close(code, "")),
        (None, CloseReason::ClientClosed) => Some(echo(client_close)),
        (None, _) => None,
    };
    let websocket = async {
        if let Some(frame) = close_frame {
            writes.push_control(frame);
            // What fails here fails because the client is gone, and there is nobody left to tell.
            let _gone = timeout(PATIENCE, last_frames(&mut stream, &mut writes)).await;
            let _gone = timeout(PATIENCE, discard(&mut stream)).await;
        }
    };
    let channels = poll_fn(|cx| {
        driver.poll(cx);
        if driver.is_finished() { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::join!(websocket, channels);
}

/// The answer to a close frame repeats its code (RFC 6455, 5.5.1).
fn echo(frame: Option<&CloseFrame>) -> bytes::Bytes {
    frame.map_or_else(frames::close_without_code, |frame| frames::close(frame.code, ""))
}

async fn last_frames<S: AsyncWrite + Unpin>(stream: &mut S, writes: &mut WriteQueue) -> io::Result<()> {
    poll_fn(|cx| match writes.poll_write(stream, cx) {
        Err(error) => Poll::Ready(Err(error)),
        Ok(_) if writes.is_empty() => Poll::Ready(Ok(())),
        Ok(_) => Poll::Pending,
    })
    .await?;
    stream.shutdown().await
}

/// Reads until the other end closes: a TCP connection that is dropped with unread bytes is reset, and the close frame
/// may be lost with it.
async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let mut discarded = 0;
    while discarded < MAX_DISCARDED {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => discarded += count,
        }
    }
    Ok(())
}
