//! More presences than an outbox holds: design ruling 16.

use gateway::{Builder, Channel, Context, HandlerResult, JoinContext, JoinResult, Mount, Outcome, Payload, Router};
use serde_json::{Value, json};

use crate::support::{Member, OpenSocket, TestGateway, ok};

/// So many presences of [`META`] bytes are a state far beyond what the kernel takes for a client that does not read.
const CROWD: usize = 120;
const META: usize = 60_000;

/// What a client may leave unread is less than one state: twice the largest frame.
const SETTINGS: &str = r#"
[socket]
max_frame_size = "64KiB"
[limits]
outbox_bytes = "128KiB"
[[channel]]
topic = "*"
join = "open"
presence = true
"#;

/// Fills a topic with presences of its own, and shows them.
struct Crowd;

impl Channel for Crowd {
    async fn join(&mut self, _params: Payload, _cx: &mut JoinContext) -> JoinResult {
        Ok(Payload::empty())
    }

    async fn after_join(&mut self, cx: &mut Context) -> HandlerResult {
        // Twice: the second waits for its room behind the first.
        cx.presence().push_state().await?;
        cx.presence().push_state().await?;
        Ok(Outcome::NoReply)
    }

    async fn handle_in(&mut self, _event: &str, _payload: Payload, cx: &mut Context) -> HandlerResult {
        for n in 0..CROWD {
            cx.presence().track(format!("u{n:03}"), &json!({ "text": "x".repeat(META) })).await?;
        }
        Ok(Outcome::ok())
    }
}

async fn start() -> TestGateway {
    let crowd = Mount::new("/crowd", OpenSocket, Router::new().channel("*", || Crowd).unwrap());
    TestGateway::with_builder(SETTINGS, |builder: Builder| builder.mount_configured().mount(crowd)).await
}

async fn fill(gateway: &TestGateway, topic: &str) -> Member {
    let client = gateway.connect_to("/crowd/websocket?vsn=2.0.0").await;
    let mut crowd = Member::join(client, topic, json!({})).await;
    crowd.send("fill", json!({})).await;
    crowd.shows_keys(CROWD).await;
    crowd
}

fn entries(state: &Value) -> usize {
    state[4].as_object().unwrap().values().map(|entry| entry["metas"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn a_client_that_reads_late_gets_states_that_are_larger_than_its_outbox() {
    let gateway = start().await;
    let topics = ["room:1", "room:2", "room:3"];
    let mut crowds = Vec::new();
    for topic in topics {
        crowds.push(fill(&gateway, topic).await);
    }
    let mut late = gateway.connect().await;
    for topic in topics {
        late.send(json!([topic, topic, topic, "phx_join", { "user_id": "late" }])).await;
    }
    // The first state is on its way, and the client has read nothing of it yet.
    crowds[0].shows_keys(CROWD + 1).await;
    gateway.endpoint().broadcast("room:1", "say", json!({ "n": 1 })).await.unwrap();
    let mut frames = Vec::new();
    for _ in 0..topics.len() * 3 + 1 {
        frames.push(late.next().await);
    }
    for topic in topics {
        let mut own = frames.iter().filter(|frame| frame[2] == topic);
        let mut next = || own.next().unwrap();
        assert_eq!(*next(), ok(topic, topic, topic));
        let state = next();
        assert_eq!((&state[3], entries(state)), (&json!("presence_state"), CROWD));
        let diff = next();
        assert_eq!(diff[3], "presence_diff");
        assert_eq!(diff[4]["joins"].as_object().unwrap().keys().collect::<Vec<_>>(), ["late"]);
        if topic == "room:1" {
            assert_eq!(*next(), json!([null, null, "room:1", "say", { "n": 1 }]));
        }
    }
    late.assert_nothing_came().await;
}

#[tokio::test]
async fn a_channel_that_pushes_states_waits_for_its_client() {
    let gateway = start().await;
    let _crowd = fill(&gateway, "room:1").await;
    let mut client = gateway.connect_to("/crowd/websocket?vsn=2.0.0").await;
    client.join("1", "room:1").await;
    for _ in 0..2 {
        let state = client.next().await;
        assert_eq!((&state[3], entries(&state)), (&json!("presence_state"), CROWD));
    }
    client.assert_nothing_came().await;
}
