use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use super::args::ApiArgs;
use super::exit::Failure;
use crate::config::{Secret, process_environment};
use crate::lifecycle::Tasks;

/// Talks to the internal API of a running gateway.
pub(super) struct ApiClient<'a> {
    url: &'a Url,
    key: Option<Secret>,
}

impl<'a> ApiClient<'a> {
    /// # Errors
    /// When the key is kept somewhere where it is not.
    pub(super) fn new(args: &'a ApiArgs) -> Result<Self, Failure> {
        let resolve = |given: &Secret| Secret::resolve(given.expose(), &process_environment().collect());
        let key = args.api_key.as_ref().map(resolve).transpose();
        let key = key.map_err(|problem| Failure::Usage(format!("--api-key {problem}")))?;
        Ok(Self { url: &args.api_url, key })
    }

    /// Gets text; the answer must be a success.
    pub(super) async fn get(&self, path: &str) -> Result<String, Failure> {
        self.text(self.send(Method::GET, path, String::new()).await?).await
    }

    /// Posts JSON and gets text, which may be empty; the answer must be a success.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.text(self.send(Method::POST, path, body.to_string()).await?).await
    }

    /// Puts JSON and gets text; the answer must be a success.
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<String, Failure> {
        self.text(self.send(Method::PUT, path, body.to_string()).await?).await
    }

    /// Deletes; the answer must be a success.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, String::new()).await.map(drop)
    }

    /// Gets a stream of lines and hands on what comes, until `print` says that nobody reads it.
    ///
    /// # Errors
    /// When the gateway refuses it, or ends the stream.
    pub(super) async fn stream(&self, path: &str, print: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let mut body = self.send(Method::GET, path, String::new()).await?;
        let mut line = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| self.unreachable(&error))?.into_data() else { continue };
            line.extend_from_slice(&data);
            if let Some(end) = line.iter().rposition(|&byte| byte == b'\n') {
                let rest = line.split_off(end + 1);
                if !print(&String::from_utf8_lossy(&line)) {
                    return Ok(());
                }
                line = rest;
            }
        }
        Err(Failure::Unavailable("the gateway ended the stream".to_owned()))
    }

    async fn text(&self, body: Incoming) -> Result<String, Failure> {
        let body = body.collect().await.map_err(|error| self.unreachable(&error))?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<Incoming, Failure> {
        let (Some(host), Some(port)) = (self.url.host_str(), self.url.port_or_known_default()) else {
            return Err(Failure::Usage(format!("--api-url {} has no host", self.url)));
        };
        if self.url.scheme() != "http" {
            return Err(Failure::Usage("--api-url must be http://: the internal listener has no TLS".to_owned()));
        }
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await;
        let stream = TokioIo::new(stream.map_err(|error| self.unreachable(&error))?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| self.unreachable(&error))?;
        Tasks::new().spawn(async move {
            // How it ends, the request learns by itself.
            let _ended = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        let request = request.body(Body::from(body)).map_err(|error| Failure::Usage(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await.map_err(|error| self.unreachable(&error))?.to_bytes();
        let problem: Option<Value> = serde_json::from_slice(&body).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or("no details");
        let message = format!("the gateway answered {status}: {detail}");
        Err(if status.is_client_error() { Failure::Usage(message) } else { Failure::Unavailable(message) })
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Unavailable(format!("no gateway answers at {}: {error}", self.url))
    }
}
