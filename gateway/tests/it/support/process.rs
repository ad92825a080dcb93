//! The built binary, as an operator runs it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::client::Client;
use super::http::{Response, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of one test, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path as an argument.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// How a process ended and what it has written.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command, with nothing of this process's environment.
fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[]).await
}

/// Runs a command with environment variables to its end.
pub(crate) async fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = command(arguments, environment).stderr(Stdio::piped()).output();
    let output = timeout(PATIENCE, output).await.expect("it does not end").unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A process whose output is read line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    scratch: Scratch,
}

impl Running {
    /// Starts a command.
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let stderr = File::create(scratch.path("stderr")).unwrap();
        let mut child = command(arguments, environment).stderr(stderr).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdout, scratch }
    }

    /// The next line of standard output.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.stdout.next_line()).await.expect("no line came").unwrap();
        line.unwrap_or_else(|| panic!("it ended: {}", self.stderr()))
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Closes the reading end of its standard output.
    pub(crate) fn close_stdout(self) -> impl Future<Output = Option<i32>> {
        let Self { mut child, stdout, scratch } = self;
        drop(stdout);
        async move {
            let status = timeout(PATIENCE, child.wait()).await.expect("it does not end").unwrap();
            drop(scratch);
            status.code()
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let mut stdout = String::new();
        while let Some(line) = timeout(PATIENCE, self.stdout.next_line()).await.expect("it does not end").unwrap() {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap();
        Ended { code: status.code(), stdout, stderr: self.stderr() }
    }

    /// What it has written to standard error by now.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.scratch.path("stderr")).unwrap()
    }
}

/// A gateway in a process of its own, on free ports.
pub(crate) struct Pod {
    pub(crate) process: Running,
    /// The first line that it printed.
    pub(crate) line: String,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    key: Option<&'static str>,
}

/// The key of [`Pod::serve`].
pub(crate) const KEY: &str = "k3y-of-the-tests";

impl Pod {
    /// `gateway dev`, embedded.
    pub(crate) async fn dev() -> Self {
        Self::start(&["dev"], &[]).await
    }

    /// `gateway serve` with an open relay on all topics, an API key and further settings.
    pub(crate) async fn serve(scratch: &Scratch, settings: &str, arguments: &[&str]) -> Self {
        let config = scratch.file("gateway.toml", &Self::config(settings));
        let mut pod = Self::start(&[&["serve", "--config", &config], arguments].concat(), &[]).await;
        pod.key = Some(KEY);
        pod
    }

    /// A configuration that `serve` takes. There are no balancers that would have to learn of a stop.
    pub(crate) fn config(settings: &str) -> String {
        let drain = if settings.contains("[drain]") { "" } else { "[drain]\ndelay = \"0s\"\n" };
        let keys = format!("{drain}[api]\nkeys = [\"{KEY}\"]\n");
        let socket = "[socket]\ncheck_origin = false\nid = \"user_socket:{id}\"\n";
        format!("{keys}{socket}{settings}\n[[channel]]\ntopic = \"*\"\njoin = \"open\"\n")
    }

    /// Any command that listens.
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let addresses = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        let mut process = Running::start(&[arguments, &addresses].concat(), environment);
        let line = process.line().await;
        let (public, internal) = addresses_of(&line);
        Self { process, line, public, internal, key: None }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        request(self.internal, "GET", path, &self.headers(), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        request(self.internal, "POST", path, &self.headers(), body).await
    }

    fn headers(&self) -> Vec<(&'static str, &'static str)> {
        let mut headers = vec![("content-type", "application/json")];
        if self.key.is_some() {
            headers.push(("authorization", "Bearer k3y-of-the-tests"));
        }
        headers
    }

    /// Broadcasts through the API; it must be accepted.
    pub(crate) async fn broadcast(&self, topic: &str, event: &str, payload: &Value) {
        let body = serde_json::json!({ "topic": topic, "event": event, "payload": payload });
        let response = self.post("/api/v1/broadcast", &body.to_string()).await;
        assert_eq!(response.status, 202, "{response:?}");
    }

    /// A client with version 2.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_with("vsn=2.0.0").await
    }

    /// A client with connect params. In `dev` presence is on, which tests of something else overlook.
    pub(crate) async fn connect_with(&self, query: &str) -> Client {
        let client = Client::connect(&format!("ws://{}/socket/websocket?{query}", self.public)).await;
        if self.key.is_none() { client.overlooking_presence() } else { client }
    }

    /// The sum of a metric over its labels, or of those that contain a text.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let page = self.get("/metrics").await.body;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let lines = page.lines().filter(of_name).filter(|line| line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until `/readyz` answers with a status.
    pub(crate) async fn until_readyz(&self, status: u16) {
        until(async || self.get("/readyz").await.status == status).await;
    }

    /// Waits until a metric has a value.
    pub(crate) async fn until_metric(&self, name: &str, label: &str, reached: impl Fn(f64) -> bool) {
        until(async || reached(self.metric(name, label).await)).await;
    }
}

/// Both addresses of the line that a gateway prints first.
fn addresses_of(line: &str) -> (SocketAddr, SocketAddr) {
    let words: Vec<&str> = line.split(' ').collect();
    let [listening, public, internal] = words[..] else { panic!("not the line: {line:?}") };
    assert_eq!(listening, "listening");
    let address = |word: &str, name: &str| word.strip_prefix(name).expect(name).parse::<SocketAddr>().unwrap();
    let addresses = (address(public, "public="), address(internal, "internal="));
    assert!(addresses.0.port() != 0 && addresses.1.port() != 0, "{line}");
    addresses
}

/// Asks again and again, for what has no event that could be awaited from outside.
pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    let asking = async {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        while !condition().await {
            pause.tick().await;
        }
    };
    timeout(PATIENCE, asking).await.expect("it never came true");
}
