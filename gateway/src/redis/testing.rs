//! A real Redis for tests: started on a free port, ended with its owner. Stands alone, so that integration tests can
//! include this file too.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Tells apart what one test process starts.
static SERIAL: AtomicU16 = AtomicU16::new(0);

/// A `redis-server` process that keeps nothing on disk.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    process: Option<(Child, BufReader<ChildStdout>)>,
}

impl RedisServer {
    /// Starts a server and waits until it accepts connections.
    pub fn start() -> Self {
        Self::with_arguments(&[])
    }

    /// Starts a server with further arguments.
    pub fn with_arguments(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { port: 0, arguments, process: None };
        loop {
            // Somebody else may take the port between the look and the start.
            server.port = free_port();
            if server.try_resume() {
                return server;
            }
        }
    }

    /// The port on the loopback address; it stays the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the process at once, as a crash would.
    pub fn crash(&mut self) {
        if let Some((mut child, _)) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again after a crash, on the same port.
    pub fn resume(&mut self) {
        assert!(self.try_resume(), "redis-server does not start on port {}", self.port);
    }

    /// Stops the process without ending it: connections stay open and nothing answers. `thaw` lets it go on.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends `freeze`.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Sends one command and returns the raw reply.
    pub fn command(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a running server");
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(command.as_bytes()).expect("a server that reads");
        let mut reply = vec![0; 64 * 1024];
        let length = stream.read(&mut reply).expect("a server that answers");
        String::from_utf8_lossy(&reply[..length]).into_owned()
    }

    fn database(&self) -> String {
        format!("gateway-test-{}-{}.rdb", std::process::id(), self.port)
    }

    fn cluster_id(&self) -> String {
        let reply = self.command(&["CLUSTER", "MYID"]);
        reply.lines().nth(1).expect("the id on a line of its own").to_owned()
    }

    fn set_slot(&self, slot: u16, state: &str, id: &str) {
        assert_eq!(self.command(&["CLUSTER", "SETSLOT", &slot.to_string(), state, id]), "+OK\r\n");
    }

    fn try_resume(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(&self.arguments)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            // A replica writes down what it is sent.
            .args(["--dir", std::env::temp_dir().to_str().expect("a path in UTF-8"), "--dbfilename", &self.database()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        while log.read_line(&mut line).is_ok_and(|length| length > 0) {
            // A Sentinel says the second.
            if line.contains("Ready to accept connections") || line.contains("+monitor") {
                self.process = Some((child, log));
                return true;
            }
            line.clear();
        }
        let _ = child.wait();
        false
    }

    fn signal(&self, signal: &str) {
        if let Some((child, _)) = &self.process {
            let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.thaw();
        self.crash();
        let _ = std::fs::remove_file(std::env::temp_dir().join(self.database()));
    }
}

/// A port that nobody listens on, below those that clients get. Low enough for a cluster's bus, which is 10,000 higher.
fn free_port() -> u16 {
    const FIRST: u32 = 10_300;
    const COUNT: u32 = 2_400;
    loop {
        // Test processes that run side by side start at different places.
        let step = u32::from(SERIAL.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (std::process::id().wrapping_mul(37) + step) % COUNT;
        let port = u16::try_from(port).expect("it is below 12,768");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Three primaries that share all slots.
pub struct RedisCluster {
    /// In the order of their slots.
    pub servers: Vec<RedisServer>,
    files: Vec<PathBuf>,
}

impl RedisCluster {
    /// Starts the servers and waits until they are one cluster.
    pub fn start() -> Self {
        let (mut servers, mut files) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (server, file) = Self::member();
            servers.push(server);
            files.push(file);
        }
        for (index, (server, (first, last))) in
            servers.iter().zip([(0, 5460), (5461, 10922), (10923, 16383)]).enumerate()
        {
            server.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for server in &servers[1..] {
            servers[0].command(&["CLUSTER", "MEET", "127.0.0.1", &server.port.to_string()]);
        }
        let cluster = Self { servers, files };
        while !cluster.servers.iter().all(|server| server.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
            std::thread::yield_now();
        }
        cluster
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        let port = |index: usize| self.servers[index].port;
        format!("redis-cluster://127.0.0.1:{}?node=127.0.0.1:{}&node=127.0.0.1:{}", port(0), port(1), port(2))
    }

    /// Adds a server that can take over from one of the primaries; it stands behind them in `servers`.
    pub fn add_replica(&mut self, of: usize) {
        let (server, file) = Self::member();
        self.servers[of].command(&["CLUSTER", "MEET", "127.0.0.1", &server.port.to_string()]);
        let primary = self.servers[of].cluster_id();
        while server.command(&["CLUSTER", "REPLICATE", &primary]) != "+OK\r\n" {
            std::thread::yield_now();
        }
        while !server.command(&["INFO", "replication"]).contains("master_link_status:up") {
            std::thread::yield_now();
        }
        let id = format!("{} 127.0.0.1:{}@", server.cluster_id(), server.port);
        let knows = |peer: &RedisServer| {
            peer.command(&["CLUSTER", "NODES"]).lines().any(|line| line.starts_with(&id) && line.contains(" slave "))
        };
        while !self.servers.iter().all(knows) {
            std::thread::yield_now();
        }
        self.servers.push(server);
        self.files.push(file);
    }

    /// Gives a slot, with what is in it, to another server.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.begin_to_move_slot(slot, from, to);
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let keys = source.command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        for key in keys.lines().filter(|line| !line.starts_with(['*', '$'])) {
            let port = target.port.to_string();
            assert_eq!(source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]), "+OK\r\n");
        }
        for server in [target, source] {
            server.set_slot(slot, "NODE", &target.cluster_id());
        }
    }

    /// A slot is about to be given to another server: the new owner answers for what the old one no longer has.
    pub fn begin_to_move_slot(&self, slot: u16, from: usize, to: usize) {
        let (from, to) = (&self.servers[from], &self.servers[to]);
        to.set_slot(slot, "IMPORTING", &from.cluster_id());
        from.set_slot(slot, "MIGRATING", &to.cluster_id());
    }

    fn member() -> (RedisServer, PathBuf) {
        let id = SERIAL.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("gateway-test-{}-{id}.conf", std::process::id()));
        let path = file.to_str().expect("a temporary directory in UTF-8");
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-config-file", path];
        let server = RedisServer::with_arguments(&[&arguments[..], &["--repl-diskless-sync-delay", "0"]].concat());
        (server, file)
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        self.servers.clear();
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// A primary, its replica, and a Sentinel that watches them.
pub struct RedisSentinel {
    /// The primary at the start.
    pub primary: RedisServer,
    /// The one that takes over.
    pub replica: RedisServer,
    sentinel: RedisServer,
    file: PathBuf,
}

impl RedisSentinel {
    /// Starts all three and waits until the replica can take over.
    pub fn start() -> Self {
        let primary = RedisServer::with_arguments(&["--repl-diskless-sync-delay", "0"]);
        let port = primary.port.to_string();
        let replica = RedisServer::with_arguments(&["--replicaof", "127.0.0.1", &port]);
        while !replica.command(&["INFO", "replication"]).contains("master_link_status:up") {
            std::thread::yield_now();
        }
        let id = SERIAL.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("gateway-test-{}-{id}.conf", std::process::id()));
        let lines = [
            format!("sentinel monitor main 127.0.0.1 {port} 1"),
            "sentinel down-after-milliseconds main 500".to_owned(),
            "sentinel failover-timeout main 3000".to_owned(),
        ];
        std::fs::write(&file, lines.join("\n") + "\n").expect("a temporary file");
        let path = file.to_str().expect("a temporary directory in UTF-8");
        let sentinel = RedisServer::with_arguments(&[path, "--sentinel"]);
        while !sentinel.command(&["SENTINEL", "REPLICAS", "main"]).contains(&replica.port.to_string()) {
            std::thread::yield_now();
        }
        Self { primary, replica, sentinel, file }
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}?sentinelServiceName=main", self.sentinel.port)
    }

    /// Makes the replica the primary, while both live.
    pub fn fail_over(&self) {
        assert_eq!(self.sentinel.command(&["SENTINEL", "FAILOVER", "main"]), "+OK\r\n");
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}
