//! `gateway migrate`, and what a gateway does with a database that has not the tables it needs.

use serde_json::{Value, json};

use crate::support::{Pod, PostgresServer, Scratch, run, run_with};

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const STEP: &str = "0001_messages_and_members";

async fn migrates(url: &str) {
    let rehearsed = run(&["migrate", "--database-url", url, "--dry-run"]).await;
    assert_eq!(rehearsed.code, Some(0), "{rehearsed:?}");
    assert_eq!(lines(&rehearsed.stdout)[0], json!({ "migration": STEP, "applied": false }));
    for (before, new) in [(0, 1), (1, 0)] {
        let done = run_with(&["migrate"], &[("GATEWAY_DATABASE__URL", url)]).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        let lines = lines(&done.stdout);
        assert_eq!(lines.len(), new + 1, "{done:?}");
        let last = &lines[new];
        assert_eq!((&last["before"], &last["new"]), (&json!(before), &json!(new)), "{last}");
    }
}

#[tokio::test]
async fn serve_wants_tables_which_migrate_makes() {
    let (server, scratch) = (PostgresServer::start(), Scratch::new());
    for url in [format!("sqlite://{}", scratch.path("gateway.db").display()), server.url()] {
        let config = scratch.file("gateway.toml", &Pod::config(&format!("[database]\nurl = \"{url}\"\n")));
        let addresses = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        let refused = run(&[&["serve", "--config", &config][..], &addresses].concat()).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(69), ""), "{refused:?}");
        assert!(refused.stderr.contains("run `gateway migrate`"), "{refused:?}");
        let looked = run(&["doctor", "--database-url", &url]).await;
        assert!(looked.stdout.contains("to change: run `gateway migrate`"), "{looked:?}");
        migrates(&url).await;
        let pod = Pod::serve(&scratch, &format!("[database]\nurl = \"{url}\"\n"), &[]).await;
        pod.until_readyz(200).await;
        assert_eq!(pod.metric("gateway_store_up", "").await, 1.0);
        let looked = run(&["doctor", "--database-url", &url]).await;
        assert!(looked.stdout.contains("up to date"), "{looked:?}");
        assert!(!format!("{looked:?}").contains("hunter2"));
        let checked = run(&["check", "--config", &config]).await;
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(!format!("{checked:?}").contains("hunter2"), "{checked:?}");
    }
}

#[tokio::test]
async fn dev_makes_the_tables_of_a_file_itself() {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path("dev.db").display());
    let pod = Pod::start(&["dev", "--database-url", &url], &[]).await;
    assert_eq!(pod.get("/api/v1/topics/t/members").await.json(), json!({ "members": [], "next": null }));
}

#[tokio::test]
async fn what_cannot_be_reached_is_69_and_what_is_no_database_78() {
    let free = "postgres://user:hunter2@127.0.0.1:9/db";
    let unreachable = run(&["migrate", "--database-url", free]).await;
    assert_eq!(unreachable.code, Some(69), "{unreachable:?}");
    assert!(!unreachable.stderr.contains("hunter2"), "{unreachable:?}");
    for arguments in [&["migrate"][..], &["migrate", "--database-url", "mysql://h/db"]] {
        assert_eq!(run(arguments).await.code, Some(78), "{arguments:?}");
    }
    let scratch = Scratch::new();
    let config =
        scratch.file("a.toml", &Pod::config("[[channel]]\ntopic = \"a\"\njoin = \"open\"\narchive = [\"e\"]\n"));
    let refused = run(&["check", "--config", &config]).await;
    assert_eq!(refused.code, Some(78));
    assert!(refused.stderr.contains("there is no database: set `database.url`"), "{refused:?}");
}
