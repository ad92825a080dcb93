//! What a store promises, whatever database it is on.

use futures_util::future::join_all;
use uuid::Uuid;

use super::error::StoreError;
use super::model::{Archived, Insertion, NewMessage, Source};
use super::service::Store;

/// Runs all of it, each part on a database of its own.
pub(super) async fn suite(fresh: impl AsyncFn() -> Store) {
    what_is_stored_is_read_back(&fresh().await).await;
    pages_follow_each_other_while_others_write(&fresh().await).await;
    a_message_that_is_sent_again_is_stored_once(&fresh().await).await;
    names_belong_to_their_sender(&fresh().await).await;
    ids_ascend(&fresh().await).await;
    members_come_and_go(&fresh().await).await;
    members_are_listed_in_pages(&fresh().await).await;
    what_postgres_cannot_store_is_refused_by_all(&fresh().await).await;
}

fn message<'a>(topic: &'a str, payload: &'a str) -> NewMessage<'a> {
    let source = Source::BackEnd;
    NewMessage { topic, event: "e", payload, source, sender: None, sender_message_id: None }
}

fn of_client<'a>(topic: &'a str, sender: Option<&'a str>, name: &'a str) -> NewMessage<'a> {
    NewMessage { source: Source::Client, sender, sender_message_id: Some(name), ..message(topic, "{}") }
}

async fn stored(store: &Store, message: NewMessage<'_>) -> Uuid {
    match store.archive(message).await.unwrap() {
        Insertion::New { id, .. } => id,
        Insertion::Repeat(before) => panic!("it was stored before: {before:?}"),
    }
}

async fn repeated(store: &Store, message: NewMessage<'_>) -> Archived {
    match store.archive(message).await.unwrap() {
        Insertion::New { .. } => panic!("it was not stored before"),
        Insertion::Repeat(before) => before,
    }
}

async fn what_is_stored_is_read_back(store: &Store) {
    // Escapes that some JSON types refuse, numbers that do not fit, a name twice: the text comes back as it is.
    let payload = r#"{"b": 1.10, "a":"\u0000 \ud83d '\"🙂", "n":123456789012345678901234567890, "n": null, "":[{}]}"#;
    let (topic, event) = ("räum:\"'1;--%_", "nachricht 🙂");
    let new = NewMessage {
        event,
        source: Source::Client,
        sender: Some("O'Brien"),
        sender_message_id: Some("m-1"),
        ..message(topic, payload)
    };
    let Insertion::New { id, inserted_at } = store.archive(new).await.unwrap() else { panic!("a repeat") };
    let rows = store.archived(topic, None, 10).await.unwrap();
    let expected = Archived {
        id,
        event: event.to_owned(),
        payload: payload.to_owned(),
        source: Source::Client,
        sender: Some("O'Brien".to_owned()),
        sender_message_id: Some("m-1".to_owned()),
        inserted_at,
    };
    assert_eq!(rows, [expected]);
    assert_eq!(store.archived("räum", None, 10).await.unwrap(), [], "topics are not mixed");
    stored(store, message("plain", "{}")).await;
    let row = &store.archived("plain", None, 10).await.unwrap()[0];
    assert_eq!((row.source, &row.sender, &row.sender_message_id), (Source::BackEnd, &None, &None));
}

async fn pages_follow_each_other_while_others_write(store: &Store) {
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(stored(store, message("t", &format!("{{\"n\":{number}}}"))).await);
        stored(store, message("another", "{}")).await;
    }
    ids.reverse();
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = store.archived("t", before, 3).await.unwrap();
        // What comes meanwhile is newer than all pages.
        stored(store, message("t", "{}")).await;
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        read.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(read, ids);
    assert_eq!(store.archived("t", Some(Uuid::nil()), 3).await.unwrap(), []);
}

async fn a_message_that_is_sent_again_is_stored_once(store: &Store) {
    let first = NewMessage { payload: r#"{"first":true}"#, ..of_client("t", Some("u"), "m") };
    let outcomes = join_all((0..20).map(|_| store.archive(first))).await;
    let new: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome.as_ref().unwrap() {
            Insertion::New { id, inserted_at } => Some((*id, *inserted_at)),
            Insertion::Repeat(_) => None,
        })
        .collect();
    let [(id, inserted_at)] = new[..] else { panic!("stored {} times", new.len()) };
    let again = repeated(store, NewMessage { event: "other", payload: "{}", ..first }).await;
    assert_eq!((again.id, again.inserted_at, again.event.as_str()), (id, inserted_at, "e"));
    assert_eq!(again.payload, r#"{"first":true}"#, "the first one stands");
    assert_eq!(store.archived("t", None, 30).await.unwrap(), [again]);
}

async fn names_belong_to_their_sender(store: &Store) {
    let mut ids = vec![
        stored(store, of_client("t", Some("a"), "m")).await,
        stored(store, of_client("t", Some("b"), "m")).await,
        stored(store, of_client("t", None, "m")).await,
        stored(store, of_client("t", Some("a"), "M")).await,
        stored(store, of_client("t2", Some("a"), "m")).await,
        stored(store, NewMessage { source: Source::BackEnd, ..of_client("t", None, "m") }).await,
        stored(store, message("t", "{}")).await,
        stored(store, message("t", "{}")).await,
    ];
    for (index, again) in [
        (0, of_client("t", Some("a"), "m")),
        (2, of_client("t", None, "m")),
        (5, NewMessage { source: Source::BackEnd, ..of_client("t", None, "m") }),
    ] {
        assert_eq!(repeated(store, again).await.id, ids[index]);
    }
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

async fn ids_ascend(store: &Store) {
    let ids = join_all((0..50).map(|_| stored(store, message("t", "{}")))).await;
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 50);
    let read: Vec<_> = store.archived("t", None, 50).await.unwrap();
    assert!(read.windows(2).all(|pair| pair[0].id > pair[1].id && pair[0].inserted_at >= pair[1].inserted_at));
    sorted.reverse();
    assert_eq!(read.into_iter().map(|row| row.id).collect::<Vec<_>>(), sorted);
}

async fn members_come_and_go(store: &Store) {
    assert_eq!(store.role("t", "u").await, Ok(None));
    let added = store.add_member("t", "u", "reader").await.unwrap();
    assert_eq!((added.user.as_str(), added.role.as_str()), ("u", "reader"));
    assert_eq!(store.role("t", "u").await, Ok(Some("reader".to_owned())));
    for (topic, user) in [("t", "U"), ("t", ""), ("T", "u"), ("t%", "u")] {
        assert_eq!(store.role(topic, user).await, Ok(None), "{topic} {user}");
    }
    let changed = store.add_member("t", "u", "admin").await.unwrap();
    assert_eq!((changed.role.as_str(), changed.inserted_at), ("admin", added.inserted_at), "a member since then");
    assert_eq!(store.remove_member("t", "u").await, Ok(true));
    assert_eq!(store.remove_member("t", "u").await, Ok(false));
    assert_eq!(store.role("t", "u").await, Ok(None));
}

async fn members_are_listed_in_pages(store: &Store) {
    // In the order of bytes, whatever language the database sorts by.
    let users = ["A", "B", "a", "b", "z", "ä", "🙂"];
    for user in users.iter().rev() {
        store.add_member("t", user, "member").await.unwrap();
        store.add_member("other", &format!("{user}x"), "member").await.unwrap();
    }
    let (mut read, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.members("t", after.as_deref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.user.clone());
        read.extend(page.into_iter().map(|member| member.user));
    }
    assert_eq!(read, users);
}

async fn what_postgres_cannot_store_is_refused_by_all(store: &Store) {
    let nul = "a\0b";
    for new in [
        message(nul, "{}"),
        NewMessage { event: nul, ..message("t", "{}") },
        of_client("t", Some(nul), "m"),
        of_client("t", Some("u"), nul),
    ] {
        assert_eq!(store.archive(new).await, Err(StoreError::Unstorable));
    }
    assert_eq!(store.archived(nul, None, 1).await, Err(StoreError::Unstorable));
    assert_eq!(store.role("t", nul).await, Err(StoreError::Unstorable));
    assert_eq!(store.add_member("t", "u", nul).await, Err(StoreError::Unstorable));
    assert_eq!(store.remove_member(nul, "u").await, Err(StoreError::Unstorable));
    assert_eq!(store.members("t", Some(nul), 1).await, Err(StoreError::Unstorable));
    assert_eq!(store.archived("t", None, 1).await, Ok(Vec::new()), "and nothing was stored");
}
