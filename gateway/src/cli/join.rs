//! One real join, as a client does it: for `helm test`, and for operators who ask whether clients get in.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::args::{JoinArgs, TokenArgs};
use super::exit::Failure;
use super::process::{print, runtime};
use super::token::mint;
use crate::config::{Config, Secret, process_environment};
use crate::lifecycle::Tasks;

/// How long all of it may take, as phoenix.js waits for a join.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a token is good that is made for this one join.
const TOKEN_TTL: Duration = Duration::from_secs(60);
/// The largest frame that is read: a reply to a join is small.
const MAX_FRAME: usize = 1024 * 1024;

/// Connects by WebSocket, joins, prints the reply as a line of JSON, and goes.
pub(super) fn join(config: &Config, options: &JoinArgs) -> Result<(), Failure> {
    let token = token_for(config, options)?;
    runtime()?.block_on(async {
        let attempt = async {
            let mut stream = connect(&options.url, token.as_deref()).await?;
            let push = json!(["1", "1", options.topic, "phx_join", *options.payload]);
            stream.write_all(&masked(1, push.to_string().as_bytes())).await.map_err(Failure::unavailable)?;
            let reply = reply(&mut stream).await?;
            // The answer is here; whether the gateway reads the goodbye does not matter any more.
            let _gone = stream.write_all(&masked(8, &1000_u16.to_be_bytes())).await;
            Ok::<_, Failure>(reply)
        };
        let late =
            |_: tokio::time::error::Elapsed| Failure::Unavailable(format!("no answer within {} s", LIMIT.as_secs()));
        let reply = tokio::time::timeout(LIMIT, attempt).await.map_err(late)??;
        print(&format!("{reply}\n"));
        if reply["status"] == "ok" { Ok(()) } else { Err(Failure::Usage("the join was refused".to_owned())) }
    })
}

fn token_for(config: &Config, options: &JoinArgs) -> Result<Option<String>, Failure> {
    if let Some(sub) = options.sub.clone() {
        let channel = vec![options.topic.clone()];
        let token = TokenArgs { sub, ttl: TOKEN_TTL, channel, claim: Vec::new(), key: None, kid: None };
        return mint(config, &token).map(Some);
    }
    let resolve = |given: &Secret| Secret::resolve(given.expose(), &process_environment().collect());
    let token = options.token.as_ref().map(resolve).transpose();
    let token = token.map_err(|problem| Failure::Usage(format!("--token {problem}")))?;
    Ok(token.map(|token| token.expose().to_owned()))
}

/// The connection after the handshake.
async fn connect(url: &Url, token: Option<&str>) -> Result<TokioIo<hyper::upgrade::Upgraded>, Failure> {
    let unreachable =
        |error: &dyn std::fmt::Display| Failure::Unavailable(format!("no gateway answers at {url}: {error}"));
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Failure::Usage(format!("--url {url} has no host")));
    };
    let stream =
        TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    Tasks::new().spawn(async move {
        // How it ends, the request learns by itself.
        let _ended = connection.with_upgrades().await;
    });
    let mut request = Request::builder()
        .uri(format!("{}/websocket?vsn=2.0.0", url.path().trim_end_matches('/')))
        .header(HOST, format!("{host}:{port}"))
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, STANDARD.encode(rand::random::<[u8; 16]>()));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).map_err(|error| Failure::Usage(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let message = format!("the gateway answered {status} to the handshake");
        return Err(if status.is_client_error() { Failure::Usage(message) } else { Failure::Unavailable(message) });
    }
    hyper::upgrade::on(response).await.map(TokioIo::new).map_err(Failure::unavailable)
}

/// The payload of the reply to the join: `{"status", "response"}`. What else comes before it is passed over.
async fn reply(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Value, Failure> {
    loop {
        let (opcode, payload) = read_frame(stream).await.map_err(Failure::unavailable)?;
        if opcode == 8 {
            return Err(Failure::Unavailable("the gateway closed the connection".to_owned()));
        }
        let Ok(Value::Array(mut message)) = serde_json::from_slice(&payload) else { continue };
        if message.len() == 5 && message[1] == "1" && message[3] == "phx_reply" {
            return Ok(message.swap_remove(4));
        }
    }
}

/// A whole frame of a server: its opcode and its payload (RFC 6455, 5.2).
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let opcode = stream.read_u8().await? & 0x0f;
    let len = match stream.read_u8().await? {
        126 => usize::from(stream.read_u16().await?),
        127 => usize::try_from(stream.read_u64().await?).unwrap_or(usize::MAX),
        short => usize::from(short),
    };
    if len > MAX_FRAME {
        return Err(std::io::Error::other("a frame of more than a MiB"));
    }
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload).await?;
    Ok((opcode, payload))
}

/// A whole frame of a client, with its mask.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => frame.push(0x80 | short),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    let mask = rand::random::<[u8; 4]>();
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
