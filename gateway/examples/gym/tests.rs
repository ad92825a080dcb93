use gateway::Accepted;
use gateway::testing::{ChannelTest, TestChannel, TestSocket};
use serde_json::{Value, json};

use crate::user_socket::{Role, User};

const TOPIC: &str = "training_session:1";

fn gym() -> ChannelTest {
    ChannelTest::new(crate::socket().unwrap())
}

/// Past the connect callback.
fn socket(gym: &ChannelTest, name: &str, role: Role) -> TestSocket {
    gym.socket(Accepted::new().assign(User { name: name.to_owned(), role }))
}

async fn join(socket: &TestSocket, params: Value) -> TestChannel {
    let (reply, channel) = socket.subscribe_and_join(TOPIC, params).await.unwrap();
    assert_eq!(reply, json!({}));
    channel
}

#[tokio::test(start_paused = true)]
async fn a_name_and_a_role_are_needed_to_connect() {
    let gym = gym();
    for params in
        [json!({}), json!({ "name": "ann" }), json!({ "name": "ann", "role": "owner" }), json!({ "role": "trainer" })]
    {
        assert!(gym.connect(params.clone()).await.is_err(), "{params}");
    }
    let named = |name: String| json!({ "name": name, "role": "participant" });
    assert!(gym.connect(named("ü".repeat(41))).await.is_err());
    gym.connect(named("ü".repeat(40))).await.unwrap();
    let ann = gym.connect(json!({ "name": "ann", "role": "participant" })).await.unwrap();
    join(&ann, json!({})).await.assert_push("participant_status", json!({ "name": "ann", "completed": [] })).await;
}

#[tokio::test(start_paused = true)]
async fn participants_get_their_status_and_trainers_that_of_all() {
    let gym = gym();
    let (ann, tom) = (socket(&gym, "ann", Role::Participant), socket(&gym, "tom", Role::Trainer));
    // As after a reconnect, on another pod.
    let ann = join(&ann, json!({ "completed": ["squats"] })).await;
    ann.assert_push("participant_status", json!({ "completed": ["squats"] })).await;
    ann.refute_push("overall_status", json!({})).await;
    let tom = join(&tom, json!({})).await;
    tom.assert_push("overall_status", json!({ "participants": { "ann": 1 } })).await;
    tom.refute_push("participant_status", json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_there_twice_counts_by_the_farther_one() {
    let gym = gym();
    let (first, second) = (socket(&gym, "ann", Role::Participant), socket(&gym, "ann", Role::Participant));
    let tom = socket(&gym, "tom", Role::Trainer);
    // The dead connection's presence may stand before or after the new one's.
    let _first = join(&first, json!({ "completed": ["squats"] })).await;
    let _second = join(&second, json!({ "completed": ["squats", "rows"] })).await;
    let farther = json!({ "participants": { "ann": 2 } });
    join(&tom, json!({})).await.assert_push("overall_status", farther.clone()).await;
    let bob = [socket(&gym, "bob", Role::Participant), socket(&gym, "bob", Role::Participant)];
    let _first = join(&bob[0], json!({ "completed": ["squats", "rows"] })).await;
    let _second = join(&bob[1], json!({ "completed": ["squats"] })).await;
    let uma = socket(&gym, "uma", Role::Trainer);
    let both = json!({ "participants": { "ann": 2, "bob": 2 } });
    join(&uma, json!({})).await.assert_push("overall_status", both).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_completed_before_is_bounded() {
    let gym = gym();
    let invalid = json!({ "reason": "completed is invalid" });
    for completed in [json!(vec!["squats"; 101]), json!(["x".repeat(81)]), json!([""])] {
        let ann = socket(&gym, "ann", Role::Participant);
        let refused = ann.subscribe_and_join(TOPIC, json!({ "completed": completed })).await.unwrap_err();
        assert_eq!(refused, invalid, "{completed}");
    }
    let ann = socket(&gym, "ann", Role::Participant);
    let ann = join(&ann, json!({ "completed": vec!["ü".repeat(80); 100] })).await;
    let full = json!({ "errors": { "name": "is invalid" } });
    ann.push("complete_exercise", json!({ "name": "squats" })).assert_reply("error", full).await;
}

#[tokio::test(start_paused = true)]
async fn a_completed_exercise_is_pushed_to_the_one_and_to_trainers_only() {
    let gym = gym();
    let sockets = [
        socket(&gym, "ann", Role::Participant),
        socket(&gym, "bob", Role::Participant),
        socket(&gym, "tom", Role::Trainer),
    ];
    let (ann, bob) = (join(&sockets[0], json!({})).await, join(&sockets[1], json!({})).await);
    let tom = join(&sockets[2], json!({})).await;
    ann.push("complete_exercise", json!({ "name": "squats" })).assert_reply("ok", json!({})).await;
    ann.assert_push("participant_status", json!({ "name": "ann", "completed": ["squats"] })).await;
    let updated = json!({ "name": "ann", "exercise": "squats", "completed": 1 });
    ann.assert_broadcast("status_updated", updated.clone()).await;
    tom.assert_push("status_updated", updated).await;
    bob.refute_push("status_updated", json!({})).await;
    ann.refute_push("status_updated", json!({})).await;
    bob.refute_push("participant_status", json!({ "name": "ann" })).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_completed() {
    let gym = gym();
    let (ann, tom) = (socket(&gym, "ann", Role::Participant), socket(&gym, "tom", Role::Trainer));
    let (ann, tom) = (join(&ann, json!({})).await, join(&tom, json!({})).await);
    let invalid = json!({ "errors": { "name": "is invalid" } });
    for name in ["", &"ü".repeat(81)] {
        ann.push("complete_exercise", json!({ "name": name })).assert_reply("error", invalid.clone()).await;
    }
    ann.push("complete_exercise", json!({ "name": "ü".repeat(80) })).assert_reply("ok", json!({})).await;
    ann.assert_broadcast("status_updated", json!({})).await;
    tom.push("complete_exercise", json!({ "name": "squats" }))
        .assert_reply("error", json!({ "reason": "forbidden" }))
        .await;
    ann.refute_broadcast("status_updated", json!({})).await;
    // A payload without a name is a mistake of the program, as in Phoenix: the channel ends, and is joined again.
    drop(ann.push("complete_exercise", json!({})));
    ann.assert_push("phx_error", json!({ "reason": "channel_crash" })).await;
}

#[tokio::test(start_paused = true)]
async fn trainers_see_everybody_and_participants_see_trainers() {
    let gym = gym();
    let sockets = [
        socket(&gym, "ann", Role::Participant),
        socket(&gym, "bob", Role::Participant),
        socket(&gym, "tom", Role::Trainer),
    ];
    let ann = join(&sockets[0], json!({})).await;
    ann.assert_push("presence_state", |present: &Value| present == &json!({})).await;
    let tom = join(&sockets[2], json!({})).await;
    tom.assert_push("presence_state", json!({ "ann": { "metas": [{ "role": "participant", "completed": 0 }] } })).await;
    ann.assert_push("presence_diff", json!({ "joins": { "tom": { "metas": [{ "role": "trainer" }] } } })).await;

    let bob = join(&sockets[1], json!({})).await;
    bob.assert_push("presence_state", |present: &Value| {
        present.as_object().is_some_and(|present| present.keys().eq(["tom"]))
    })
    .await;
    tom.assert_push("presence_diff", json!({ "joins": { "bob": {} } })).await;
    ann.refute_push("presence_diff", json!({})).await;

    let [_ann, bob_socket, tom_socket] = sockets;
    bob_socket.close().await;
    tom.assert_push("presence_diff", json!({ "leaves": { "bob": {} } })).await;
    ann.refute_push("presence_diff", json!({})).await;
    tom_socket.close().await;
    ann.assert_push("presence_diff", json!({ "leaves": { "tom": {} } })).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_started_from_outside() {
    let gym = gym();
    let ann = socket(&gym, "ann", Role::Participant);
    let ann = join(&ann, json!({})).await;
    gym.endpoint().broadcast(TOPIC, "training_session_started", json!({ "trainer": "tom" })).await.unwrap();
    ann.assert_push("training_session_started", json!({ "trainer": "tom" })).await;
}
