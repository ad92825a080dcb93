//! `join = "member"`: the table decides, and how it is edited.

use serde_json::{Value, json};

use crate::support::tokens::{SECRET, token_of};
use crate::support::{Client, KEY, Pod, PostgresServer, Response, Scratch, phx_close, request, run, until};

fn settings(database: &str) -> String {
    format!(
        "[auth]\nrequired = false\nhs256_secret = \"{SECRET}\"\n[database]\nurl = \"{database}\"\n\
         [[channel]]\ntopic = \"club:*\"\njoin = \"member\"\n"
    )
}

/// A gateway with a file.
async fn with_file(scratch: &Scratch) -> (Pod, String) {
    let url = format!("sqlite://{}", scratch.path("members.db").display());
    assert_eq!(run(&["migrate", "--database-url", &url]).await.code, Some(0));
    (Pod::serve(scratch, &settings(&url), &[]).await, url)
}

async fn user(pod: &Pod, name: &str) -> Client {
    pod.connect_with(&format!("vsn=2.0.0&token={}", token_of(name, json!([])))).await
}

async fn join(client: &mut Client, topic: &str) -> Value {
    client.send(json!(["1", "1", topic, "phx_join", {}])).await;
    client.next().await[4].clone()
}

fn refused(reason: &str) -> Value {
    json!({ "status": "error", "response": { "reason": reason } })
}

async fn api(pod: &Pod, method: &str, path: &str, body: &str) -> Response {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    request(pod.internal, method, &format!("/api/v1/topics/{path}"), &headers, body).await
}

#[tokio::test]
async fn members_join_and_others_do_not() {
    let scratch = Scratch::new();
    let (pod, url) = with_file(&scratch).await;
    let ok = json!({ "status": "ok", "response": {} });
    let added = run(&["members", "--database-url", &url, "add", "club:1", "alice", "--role", "admin"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!(join(&mut user(&pod, "alice").await, "club:1").await, ok);
    assert_eq!(join(&mut user(&pod, "alice").await, "club:2").await, refused("unauthorized"));
    assert_eq!(join(&mut user(&pod, "bob").await, "club:1").await, refused("unauthorized"));
    assert_eq!(join(&mut user(&pod, "alice").await, "club:1\0").await, refused("unauthorized"));
    // Without a token nobody is a member, whatever the connect params say.
    let mut anonymous = pod.connect_with("vsn=2.0.0&user_id=alice&sub=alice&id=alice").await;
    assert_eq!(join(&mut anonymous, "club:1").await, refused("unauthorized"));
    // Members broadcast and hear each other.
    assert_eq!(api(&pod, "PUT", "club:1/members/bob", "{}").await.status, 200);
    let (mut alice, mut bob) = (user(&pod, "alice").await, user(&pod, "bob").await);
    assert_eq!((join(&mut alice, "club:1").await, join(&mut bob, "club:1").await), (ok.clone(), ok));
    alice.send(json!(["1", "2", "club:1", "e", { "a": 1 }])).await;
    assert_eq!(bob.next().await, json!([null, null, "club:1", "e", { "a": 1 }]));
}

#[tokio::test]
async fn who_was_removed_is_out_at_the_next_join_or_renewal() {
    let scratch = Scratch::new();
    let (pod, _) = with_file(&scratch).await;
    for name in ["alice", "bob"] {
        assert_eq!(api(&pod, "PUT", &format!("club:1/members/{name}"), r#"{"role":"x"}"#).await.json()["user"], name);
    }
    let (mut alice, mut bob) = (user(&pod, "alice").await, user(&pod, "bob").await);
    join(&mut alice, "club:1").await;
    join(&mut bob, "club:1").await;
    for _ in 0..2 {
        assert_eq!(api(&pod, "DELETE", "club:1/members/alice", "").await.status, 204);
    }
    alice.assert_nothing_came().await;
    for (client, name) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let renewal = json!({ "access_token": token_of(name, json!([])) });
        client.send(json!(["1", "5", "club:1", "access_token", renewal])).await;
        assert_eq!(client.next().await[4]["status"], "ok");
    }
    assert_eq!(alice.next().await, phx_close("1", "club:1"));
    assert_eq!(join(&mut alice, "club:1").await, refused("unauthorized"));
    bob.assert_nothing_came().await;
}

#[tokio::test]
async fn the_api_and_the_command_list_the_same_in_pages() {
    let scratch = Scratch::new();
    let (pod, url) = with_file(&scratch).await;
    for name in ["c/d", "a", "b ä"] {
        let path = format!("club%3A1/members/{}", name.replace('/', "%2F").replace(" ä", "%20%C3%A4"));
        assert_eq!(api(&pod, "PUT", &path, "{}").await.json()["user"], name);
    }
    let first = api(&pod, "GET", "club:1/members?limit=2", "").await.json();
    assert_eq!((first["members"][0]["user"].as_str(), first["next"].as_str()), (Some("a"), Some("b ä")));
    let second = api(&pod, "GET", "club:1/members?limit=2&after=b%20%C3%A4", "").await.json();
    assert_eq!((second["members"][0]["user"].as_str(), &second["next"]), (Some("c/d"), &Value::Null));
    let at_api = format!("http://{}", pod.internal);
    let by_database = run(&["members", "list", "club:1", "--database-url", &url]).await;
    let by_api = run(&["members", "list", "club:1", "--api-url", &at_api, "--api-key", KEY]).await;
    assert_eq!((by_database.code, by_api.code), (Some(0), Some(0)), "{by_database:?} {by_api:?}");
    let users = |stdout: &str| -> Vec<Value> {
        stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect()
    };
    assert_eq!(users(&by_database.stdout), users(&by_api.stdout));
    assert_eq!(by_api.stdout.lines().count(), 3);
    for change in [&["remove", "club:1", "c/d"][..], &["add", "club:1", "z", "--role", "guest"]] {
        let done = run(&[&["members"], change, &["--api-url", &at_api, "--api-key", KEY]].concat()).await;
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let listed = api(&pod, "GET", "club:1/members", "").await.json();
    let names: Vec<_> = listed["members"].as_array().unwrap().iter().map(|member| &member["user"]).collect();
    assert_eq!(names, ["a", "b ä", "z"]);
    for (path, body) in
        [("club:1/members/a", r#"{"role":""}"#), ("club:1/members/a%00", "{}"), ("club:1/members/a", "[")]
    {
        api(&pod, "PUT", path, body).await.problem(400);
    }
    for query in ["limit=0", "limit=201", "limit=x", "page=1"] {
        api(&pod, "GET", &format!("club:1/members?{query}"), "").await.problem(400);
    }
}

#[tokio::test]
async fn while_the_database_is_away_joins_say_so_and_members_stay() {
    let (mut server, scratch) = (PostgresServer::start(), Scratch::new());
    assert_eq!(run(&["migrate", "--database-url", &server.url()]).await.code, Some(0));
    let pod = Pod::serve(&scratch, &settings(&server.url()), &[]).await;
    assert_eq!(api(&pod, "PUT", "club:1/members/alice", "{}").await.status, 200);
    let mut alice = user(&pod, "alice").await;
    join(&mut alice, "club:1").await;
    server.stop();
    let mut late = user(&pod, "alice").await;
    assert_eq!(join(&mut late, "club:1").await, refused("unavailable"));
    api(&pod, "GET", "club:1/members", "").await.problem(503);
    let renewal = json!({ "access_token": token_of("alice", json!([])) });
    alice.send(json!(["1", "5", "club:1", "access_token", renewal])).await;
    assert_eq!(alice.next().await[4]["status"], "ok");
    alice.assert_nothing_came().await;
    server.resume();
    until(async || join(&mut user(&pod, "alice").await, "club:1").await["status"] == "ok").await;
}
