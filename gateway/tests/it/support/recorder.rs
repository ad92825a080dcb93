use std::net::{IpAddr, SocketAddr};

use gateway::{Accepted, ConnectError, ConnectInfo, Params, Socket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Lets everybody in and tells the test what it was shown.
pub(crate) struct Recorder(UnboundedSender<Shown>);

/// What a connect callback was shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) params: Params,
    pub(crate) peer: SocketAddr,
    pub(crate) client_ip: IpAddr,
    pub(crate) uri: String,
    pub(crate) host: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) x_headers: Vec<(String, String)>,
    pub(crate) sec_websocket_headers: Vec<(String, String)>,
    pub(crate) trace_context_headers: Vec<(String, String)>,
    pub(crate) auth_token: Option<String>,
}

impl Recorder {
    pub(crate) fn new() -> (Self, UnboundedReceiver<Shown>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }
}

impl Socket for Recorder {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let shown = Shown {
            params: params.clone(),
            peer: info.peer(),
            client_ip: info.client_ip(),
            uri: info.uri().to_string(),
            host: info.host().map(str::to_owned),
            user_agent: info.user_agent().map(str::to_owned),
            x_headers: info.x_headers().map(owned).collect(),
            sec_websocket_headers: info.sec_websocket_headers().map(owned).collect(),
            trace_context_headers: info.trace_context_headers().map(owned).collect(),
            auth_token: info.auth_token().map(str::to_owned),
        };
        // A test that does not look has dropped its end.
        let _unwatched = self.0.send(shown);
        Ok(Accepted::new())
    }
}
