//! An identity provider: an HTTP server that serves a JWK Set, or fails to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::lifecycle::Tasks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::tokens::ProviderKey;

/// How it answers.
#[derive(Clone)]
pub(crate) enum Manner {
    /// With this set.
    Keys(Value),
    /// With this whole response.
    Raw(String),
    /// Not at all, until it behaves otherwise.
    Silent,
}

/// Stopped when dropped.
pub(crate) struct Provider {
    address: SocketAddr,
    manner: watch::Sender<Manner>,
    requests: Arc<AtomicUsize>,
    tasks: Tasks,
}

impl Provider {
    /// Serves these keys on a free port.
    pub(crate) async fn start(keys: &[&ProviderKey]) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Self::keys(keys)).await
    }

    /// Serves on a port that was found free before.
    pub(crate) async fn start_at(address: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (manner, requests, tasks) = (watch::Sender::new(manner), Arc::default(), Tasks::new());
        let provider = Self { address, manner, requests, tasks };
        let (manners, requests, tasks) =
            (provider.manner.subscribe(), Arc::clone(&provider.requests), provider.tasks.clone());
        let accepting = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tasks.spawn_until_stop(answer(stream, manners.clone(), Arc::clone(&requests)));
            }
        };
        provider.tasks.spawn_until_stop(accepting);
        provider
    }

    pub(crate) fn keys(keys: &[&ProviderKey]) -> Manner {
        Manner::Keys(json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }))
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// How many requests it has answered, or not.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn answer(mut stream: TcpStream, mut manners: watch::Receiver<Manner>, requests: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let Ok(manner) = manners.wait_for(|manner| !matches!(manner, Manner::Silent)).await.map(|manner| manner.clone())
    else {
        return;
    };
    let response = match manner {
        Manner::Keys(set) => {
            let set = set.to_string();
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{set}", set.len())
        }
        Manner::Raw(response) => response,
        Manner::Silent => return,
    };
    // Who does not want to hear it is gone.
    let _gone = stream.write_all(response.as_bytes()).await;
    let _gone = stream.shutdown().await;
}
