use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prometheus::Registry;

use super::contract;
use super::error::{OpenError, StoreError};
use super::location::Location;
use super::metrics::Metrics;
use super::migrate::{check_schema, examine, migrate};
use super::model::{NewMessage, Source};
use super::service::Store;
use super::testing::PostgresServer;
use crate::lifecycle::Tasks;

/// A call may take two seconds, and a busy machine some more to say so.
const BOUND: Duration = Duration::from_millis(2900);

/// A directory for files of SQLite, removed when dropped.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gateway-test-sqlite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The URL of a file that is not there yet.
    fn url(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("sqlite://{}/{}.db", self.0.display(), NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

async fn open(url: &str, tasks: &Tasks) -> Result<Store, OpenError> {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    Store::open(Location::parse(url).unwrap(), metrics, tasks).await
}

async fn fresh(url: &str, tasks: &Tasks) -> Store {
    migrate(&Location::parse(url).unwrap(), false).await.unwrap();
    open(url, tasks).await.unwrap()
}

fn message() -> NewMessage<'static> {
    let (topic, event, payload, source) = ("t", "e", "{}", Source::BackEnd);
    NewMessage { topic, event, payload, source, sender: None, sender_message_id: None }
}

/// Waits until the store has noticed that the database is back.
async fn until_back(store: &Store) {
    let begun = Instant::now();
    while store.archive(message()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come back by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let (files, tasks) = (Files::new(), Tasks::new());
    contract::suite(async || fresh(&files.url(), &tasks).await).await;
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    let (server, tasks) = (PostgresServer::start(), Tasks::new());
    contract::suite(async || fresh(&server.database(), &tasks).await).await;
}

/// Migrations on databases that `url` makes.
async fn migrations(url: impl Fn() -> String) {
    let location = Location::parse(&url()).unwrap();
    let error = check_schema(&location).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema(_)), "{error}");
    assert!(error.to_string().ends_with("run `gateway migrate`"), "{error}");
    let rehearsed = migrate(&location, true).await.unwrap();
    assert_eq!(
        (rehearsed.before, rehearsed.steps.as_slice()),
        (0, ["0001_messages_and_members".to_owned()].as_slice())
    );
    assert!(check_schema(&location).await.is_err(), "a rehearsal changes nothing");
    migrate(&location, false).await.unwrap();
    check_schema(&location).await.unwrap();
    assert_eq!(migrate(&location, true).await.unwrap().steps, Vec::<String>::new());
    assert_eq!(migrate(&location, false).await.unwrap().before, 1, "the second time nothing is done");
    let facts = examine(&location).await.unwrap();
    assert!(facts.pending.is_empty() && !facts.is_newer && facts.version.contains('.'), "{facts:?}");
    for _ in 0..5 {
        // Pods that start at the same time.
        let location = Location::parse(&url()).unwrap();
        let mut before: Vec<_> = join_all((0..6).map(|_| migrate(&location, false)))
            .await
            .into_iter()
            .map(|done| done.unwrap().before)
            .collect();
        before.sort_unstable();
        assert_eq!(before, [0, 1, 1, 1, 1, 1], "one of them has done it");
        check_schema(&location).await.unwrap();
    }
}

#[tokio::test]
async fn sqlite_is_migrated_twice_and_by_several_at_once() {
    let files = Files::new();
    migrations(|| files.url()).await;
}

#[tokio::test]
async fn postgres_is_migrated_twice_and_by_several_at_once() {
    let server = PostgresServer::start();
    migrations(|| server.database()).await;
    // A newer version has been here: this one goes on to work.
    let location = Location::parse(&server.url()).unwrap();
    migrate(&location, false).await.unwrap();
    server.psql("gateway", "INSERT INTO gateway_migrations (version, name) VALUES (99, 'later')");
    check_schema(&location).await.unwrap();
    assert!(examine(&location).await.unwrap().is_newer);
}

#[tokio::test]
async fn an_outage_is_answered_at_once_and_ends_by_itself() {
    let (mut server, tasks) = (PostgresServer::start(), Tasks::new());
    let store = fresh(&server.url(), &tasks).await;
    store.archive(message()).await.unwrap();
    server.stop();
    let begun = Instant::now();
    assert_eq!(store.archive(message()).await, Err(StoreError::Unavailable));
    assert!(begun.elapsed() < BOUND, "it took {:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..1000 {
        assert_eq!(store.role("t", "u").await, Err(StoreError::Unavailable));
    }
    assert!(begun.elapsed() < Duration::from_millis(500), "it took {:?}", begun.elapsed());
    server.resume();
    until_back(&store).await;
    assert_eq!(store.role("t", "u").await, Ok(None));
}

#[tokio::test]
async fn a_database_that_is_slow_holds_nobody_for_long() {
    let (server, tasks) = (PostgresServer::start(), Tasks::new());
    let store = fresh(&server.url(), &tasks).await;
    store.archive(message()).await.unwrap();
    let locked = server.lock("gateway_messages");
    let begun = Instant::now();
    // More than there are connections: some wait for a place, and no longer than the others.
    let outcomes = join_all((0..30).map(|_| store.archive(message()))).await;
    assert!(begun.elapsed() < BOUND, "it took {:?}", begun.elapsed());
    assert!(outcomes.iter().all(|outcome| *outcome == Err(StoreError::Unavailable)));
    // What was given up did not keep its connection: other tables can be asked while this one is held.
    let begun = Instant::now();
    while store.role("t", "u").await != Ok(None) {
        assert!(begun.elapsed() < BOUND, "connections are lost");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(locked);
    until_back(&store).await;
}

#[tokio::test]
async fn a_table_that_is_held_costs_the_server_no_more_places_than_a_pod_may_have() {
    let (server, tasks) = (PostgresServer::start(), Tasks::new());
    let store = fresh(&server.url(), &tasks).await;
    let locked = server.lock("gateway_messages");
    for _round in 0..4 {
        let outcomes = join_all((0..30).map(|_| store.archive(message()))).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Err(StoreError::Unavailable)));
        // Looked at often enough to be back for the next round.
        let begun = Instant::now();
        while store.role("t", "u").await != Ok(None) {
            assert!(begun.elapsed() < BOUND, "connections are lost");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let places = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gateway'";
    let places: u32 = server.psql("gateway", places).parse().unwrap();
    assert!(places <= 25, "{places} processes of the server work for one pod, or for nobody");
    drop(locked);
    until_back(&store).await;
}

#[tokio::test]
async fn a_server_that_became_read_only_is_left_for_the_one_that_took_over() {
    let (server, tasks) = (PostgresServer::start(), Tasks::new());
    migrate(&Location::parse(&server.url()).unwrap(), false).await.unwrap();
    // Connections that are made now lead to a server without writes, and go on to.
    server.psql("postgres", "ALTER DATABASE gateway SET default_transaction_read_only = on");
    let store = open(&server.url(), &tasks).await.unwrap();
    let outcomes = join_all((0..10).map(|_| store.archive(message()))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(StoreError::Unavailable)), "{outcomes:?}");
    let begun = Instant::now();
    for _ in 0..1000 {
        assert_eq!(store.archive(message()).await, Err(StoreError::Unavailable));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "it is known to be away: {:?}", begun.elapsed());
    server.psql("postgres", "ALTER DATABASE gateway RESET default_transaction_read_only");
    until_back(&store).await;
    let outcomes = join_all((0..30).map(|_| store.archive(message()))).await;
    assert!(outcomes.iter().all(Result::is_ok), "no connection leads to the old one: {outcomes:?}");
}

#[tokio::test]
async fn who_may_not_enter_is_told_without_the_password() {
    let (server, tasks) = (PostgresServer::start(), Tasks::new());
    let url = server.url().replace("hunter2", "hunter3");
    let error = open(&url, &tasks).await.unwrap_err();
    assert!(matches!(error, OpenError::Unavailable(_)), "{error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter"), "{text}");
}

#[tokio::test]
async fn the_way_to_postgres_is_encrypted_as_the_url_says() {
    let (mut server, tasks) = (PostgresServer::start(), Tasks::new());
    let required = format!("{}?sslmode=require", server.url());
    let plain = examine(&Location::parse(&required).unwrap()).await.unwrap_err();
    assert!(matches!(plain, OpenError::Unavailable(_)), "a server without TLS: {plain}");
    let certificate = server.speak_tls();
    let verified = format!("{}?sslmode=verify-full", server.url());
    let stranger = examine(&Location::parse(&verified).unwrap()).await.unwrap_err();
    assert!(matches!(stranger, OpenError::Unavailable(_)), "nobody known has signed it: {stranger}");
    let known = format!("{verified}&sslrootcert={}", certificate.display());
    for url in [required, known] {
        let store = fresh(&url, &tasks).await;
        assert_eq!(store.role("t", "u").await, Ok(None));
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'gateway'";
        assert_eq!(server.psql("gateway", encrypted), "t");
    }
}

#[test]
fn urls_that_mean_nothing_are_refused() {
    for url in ["postgres://h/db?sslmode=perhaps", "postgres://h:port/db", "sqlite://f.db?mode=x"] {
        assert!(matches!(Location::parse(url), Err(OpenError::Url(_))), "{url}");
    }
}
