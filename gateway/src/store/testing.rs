//! A real Postgres for tests: started on a free port with data of its own, ended with its owner. Stands alone, so that
//! integration tests can include this file too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// Tells apart what one test process starts.
static SERIAL: AtomicU16 = AtomicU16::new(0);

/// A server with one database, `gateway`, and one user, `gateway`, who needs the password `hunter2`.
pub struct PostgresServer {
    port: u16,
    directory: PathBuf,
    process: Option<Child>,
}

impl PostgresServer {
    /// Makes a database in a temporary directory, starts a server and waits until it takes connections.
    pub fn start() -> Self {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("gateway-test-pg-{}-{serial}", std::process::id()));
        fs::create_dir(&directory).expect("a new temporary directory");
        let password = directory.join("password");
        fs::write(&password, "hunter2").expect("a temporary file");
        if let Some((user, group)) = other_user() {
            chown(&directory, Some(user), Some(group)).expect("root may do that");
            chown(&password, Some(user), Some(group)).expect("root may do that");
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("its owner may do that");
        let mut server = Self { port: 0, directory, process: None };
        let made = server
            .command("initdb")
            .args(["--username=gateway", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(server.data())
            .output()
            .expect("initdb is installed: the package postgresql");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        loop {
            // Somebody else may take the port between the look and the start.
            server.port = free_port();
            if server.try_resume() {
                break;
            }
        }
        server.psql("postgres", "CREATE DATABASE gateway");
        server
    }

    /// Gives it a certificate for its address, which it signs itself; the file of the certificate. Plain connections go on
    /// to work.
    pub fn speak_tls(&mut self) -> PathBuf {
        let (certificate, key) = (self.directory.join("tls.crt"), self.directory.join("tls.key"));
        let made = self
            .program(Path::new("openssl"))
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args([
                "-subj",
                "/CN=gateway-test",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args([Path::new("-out"), &certificate, Path::new("-keyout"), &key])
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings =
            format!("ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n", certificate.display(), key.display());
        fs::write(self.data().join("postgresql.auto.conf"), settings).expect("root and the owner may write there");
        self.stop();
        self.resume();
        certificate
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("postgres://gateway:hunter2@127.0.0.1:{}/gateway", self.port)
    }

    /// The port on the loopback address; it stays the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A further, empty database; its URL.
    pub fn database(&self) -> String {
        let name = format!("d{}", SERIAL.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://gateway:hunter2@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs SQL and returns what it prints, a line for each row.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let output = self
            .command("psql")
            .env("PGPASSWORD", "hunter2")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "gateway", "-d", database, "-qXAtc", sql])
            .output()
            .expect("psql is installed");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends the server at once; connections break.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            // It ends its children; a kill would leave them for a while.
            signal(&child, "-QUIT");
            let _ = child.wait();
        }
    }

    /// Starts it again after a stop, on the same port with the same data.
    pub fn resume(&mut self) {
        assert!(self.try_resume(), "postgres does not start on port {}", self.port);
    }

    /// Holds a table of the database `gateway`, so that whoever uses it waits, until what is returned is dropped.
    pub fn lock(&self, table: &str) -> Locked<'_> {
        let port = self.port.to_string();
        let mut child = self
            .command("psql")
            .env("PGPASSWORD", "hunter2")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "gateway", "-d", "gateway", "-qXAt", "-c", "BEGIN"])
            .args(["-c", &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")])
            .args(["-c", "SELECT pg_backend_pid()", "-c", "SELECT pg_sleep(600)"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql is installed");
        let mut backend = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut backend).expect("it answers");
        Locked { server: self, backend: backend.trim_end().to_owned(), child }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn try_resume(&mut self) -> bool {
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.directory.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres is installed: the package postgresql");
        loop {
            if child.try_wait().expect("it is our child").is_some() {
                return false;
            }
            if self.takes_connections() {
                self.process = Some(child);
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn takes_connections(&self) -> bool {
        let asked = self
            .command("pg_isready")
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status()
            .expect("pg_isready is installed");
        TcpStream::connect(("127.0.0.1", self.port)).is_ok() && asked.success()
    }

    /// A program of the server's package.
    fn command(&self, program: &str) -> Command {
        self.program(&programs().join(program))
    }

    /// Any program, as the owner of the data: Postgres refuses to run as root.
    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory).stdin(Stdio::null());
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A table that somebody holds.
pub struct Locked<'a> {
    server: &'a PostgresServer,
    backend: String,
    child: Child,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.server.psql("postgres", &format!("SELECT pg_terminate_backend({}, 5000)", self.backend));
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

/// Where the programs of the newest installed server are.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is installed");
    let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
    found.retain(|programs| programs.join("postgres").exists());
    found.sort();
    found.pop().expect("the package postgresql is installed")
}

/// Whom to run as when this is root: whoever owns the directory that the package has made for its own server, else nobody.
fn other_user() -> Option<(u32, u32)> {
    let own = fs::metadata("/proc/self").ok()?;
    if own.uid() != 0 {
        return None;
    }
    let package = fs::metadata(Path::new("/var/lib/postgresql")).ok().filter(|owner| owner.uid() != 0);
    Some(package.map_or((65_534, 65_534), |owner| (owner.uid(), owner.gid())))
}

/// A port that nobody listens on, below those that clients get.
fn free_port() -> u16 {
    const FIRST: u32 = 13_000;
    const COUNT: u32 = 2_000;
    loop {
        // Test processes that run side by side start at different places.
        let step = u32::from(SERIAL.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + (std::process::id().wrapping_mul(37) + step) % COUNT;
        let port = u16::try_from(port).expect("it is below 15,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
