//! A server that speaks what stock Phoenix speaks, and nothing else: both serializers, heartbeats, joins, pushes, replies,
//! broadcasts, leaves, presence with a `phx_ref` for each track, and a crash for an event that a channel does not handle. It
//! has no metrics, no offsets and no recovery, and shares no code with the load tool.
//!
//! Its application: `room:*` broadcasts `message` and `is_typing` without a reply, `echo:*` answers `echo`, and `presence:*`
//! tracks who joins.

mod frame;
mod hub;

use std::net::{IpAddr, SocketAddr};
use std::process::Child;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::unbounded_channel;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use frame::Vsn;
use hub::Hub;

/// A running server of one or several nodes; it ends with this value.
pub(crate) struct Phoenix {
    pub(crate) urls: Vec<String>,
    hub: Arc<Mutex<Hub>>,
    _runtime: Runtime,
}

impl Phoenix {
    /// `refused`: whoever connects from there is refused by the application's `connect`.
    pub(crate) fn start(nodes: usize, refused: Option<IpAddr>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let hub = Arc::new(Mutex::new(Hub::default()));
        let mut urls = Vec::new();
        for node in 0..nodes {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            urls.push(format!("ws://{}/socket/websocket", listener.local_addr().unwrap()));
            let (hub, handle) = (hub.clone(), runtime.handle().clone());
            runtime.spawn(async move {
                while let Ok((stream, peer)) = listener.accept().await {
                    handle.spawn(serve(stream, peer, node, hub.clone(), refused));
                }
            });
        }
        Self { urls, hub, _runtime: runtime }
    }

    /// When this process ends the last node is gone at once, as when its machine loses power, and the others notice.
    pub(crate) fn last_node_dies_with(&self, mut process: Child) {
        let (hub, node) = (self.hub.clone(), self.urls.len() - 1);
        std::thread::spawn(move || {
            process.wait().unwrap();
            hub.lock().unwrap().lose_node(node);
        });
    }
}

#[expect(clippy::result_large_err, reason = "the library wants the whole response")]
async fn serve(stream: TcpStream, peer: SocketAddr, node: usize, hub: Arc<Mutex<Hub>>, refused: Option<IpAddr>) {
    stream.set_nodelay(true).unwrap();
    let mut vsn = None;
    let upgraded = accept_hdr_async(stream, |request: &Request, response: Response| {
        vsn = Vsn::of_query(request.uri().query().unwrap_or_default());
        let status = match (request.uri().path(), vsn) {
            ("/socket/websocket", Some(_)) if refused != Some(peer.ip()) => return Ok(response),
            ("/socket/websocket", _) => StatusCode::FORBIDDEN,
            _ => StatusCode::NOT_FOUND,
        };
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        Err(refusal)
    });
    let (Ok(socket), Some(vsn)) = (upgraded.await, vsn) else { return };
    let (out, mut queue) = unbounded_channel();
    let id = hub.lock().unwrap().open(node, vsn, out);
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            // None: the node is gone, and says no goodbye.
            text = queue.recv() => match text {
                Some(text) => if sink.send(Message::text(text)).await.is_err() { break },
                None => return,
            },
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let understood = hub.lock().unwrap().on_text(id, &text);
                    if !understood {
                        // Phoenix: the transport process crashes.
                        let close = CloseFrame { code: CloseCode::Error, reason: "".into() };
                        let _ = sink.send(Message::Close(Some(close))).await;
                        break;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break,
            },
        }
    }
    hub.lock().unwrap().close(id);
}
