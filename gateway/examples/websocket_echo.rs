//! A WebSocket server that repeats each message, compressed if the client can: the codec of `gateway::websocket` with the
//! least I/O around it.
//!
//! `cargo run --example websocket_echo 127.0.0.1:0` prints the address it is bound to. The Autobahn suite tests it
//! (`gateway/tests/autobahn`). It serves any path and any origin: it is no gateway.

use std::io;

use gateway::websocket::deflate::{self, Agreement, Window};
use gateway::websocket::{Decoder, Event, FrameHeader, Limits, frames, handshake};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Autobahn's largest messages have 16 MiB.
const LIMITS: Limits = Limits { max_frame: 16 << 20, max_message: 16 << 20 };

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it reads the address there")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening {}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                connections.spawn(serve(stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let headers = read_request(&mut stream).await?;
    match handshake::accept(&headers) {
        Ok(key) => {
            let mut head =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n".to_owned();
            let agreement = deflate::negotiate(&headers);
            if let Some(extension) = agreement.map(Agreement::answer) {
                head += &format!("Sec-WebSocket-Extensions: {extension}\r\n");
            }
            stream.write_all(format!("{head}Sec-WebSocket-Accept: {key}\r\n\r\n").as_bytes()).await?;
            echo(stream, agreement.map(|agreement| agreement.window)).await
        }
        Err(error) => {
            let text = error.to_string();
            let head =
                format!("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
            stream.write_all((head + &text).as_bytes()).await
        }
    }
}

/// The headers of the request; its first line is not looked at.
async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<HeaderMap> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(headers) };
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        headers.append(name, HeaderValue::try_from(value.trim()).map_err(io::Error::other)?);
    }
}

/// `window` is that of compressed messages, if they were agreed on.
async fn echo(mut stream: BufReader<TcpStream>, window: Option<Window>) -> io::Result<()> {
    let mut decoder = if window.is_some() { Decoder::inflating() } else { Decoder::new() };
    let mut buffer = vec![0; 64 << 10];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        let mut input = &mut buffer[..len];
        loop {
            match decoder.next(&mut input, &LIMITS) {
                Ok(None) => break,
                Ok(Some(Event::Message(kind, payload))) => {
                    let mut compressed = Vec::new();
                    if window.is_some_and(|window| deflate::compress(window, &payload, &mut compressed)) {
                        let header = FrameHeader::compressed_message(kind, compressed.len());
                        stream.write_all(header.as_slice()).await?;
                        stream.write_all(&compressed).await?;
                    } else {
                        stream.write_all(FrameHeader::message(kind, payload.len()).as_slice()).await?;
                        stream.write_all(&payload).await?;
                    }
                }
                Ok(Some(Event::Ping(payload))) => stream.write_all(&frames::pong(&payload)).await?,
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close(close))) => {
                    let answer = close.map_or_else(frames::close_without_code, |close| frames::close(close.code, ""));
                    return end(stream, &answer).await;
                }
                Err(error) => return end(stream, &frames::close(error.close_code(), &error.to_string())).await,
            }
        }
    }
}

/// Sends the last frame and waits until the client has closed too: an early end would reset the connection, and the
/// client might never read why.
async fn end(mut stream: BufReader<TcpStream>, close: &[u8]) -> io::Result<()> {
    stream.write_all(close).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}
