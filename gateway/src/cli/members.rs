use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::api_client::ApiClient;
use super::args::{MembersArgs, MembersCommand};
use super::exit::Failure;
use super::process::{print, runtime};
use crate::app::open_database;
use crate::config::Config;
use crate::store::{MAX_ROLE, Member, Store, StoreError};

/// How many members are read at once.
const PAGE: u32 = 200;

/// Where the members are kept, as this command reaches them.
enum Way<'a> {
    Database(Store),
    Api(ApiClient<'a>),
}

/// Changes or lists who is a member of a topic: in the database if a URL is given, else through the API of a running gateway.
pub(super) fn members(config: &Config, options: &MembersArgs) -> Result<(), Failure> {
    let names = match &options.command {
        MembersCommand::Add { topic, user, .. } | MembersCommand::Remove { topic, user } => vec![topic, user],
        MembersCommand::List { topic } => vec![topic],
    };
    if names.iter().any(|name| name.is_empty() || name.len() > 255) {
        return Err(Failure::Usage("a topic and a user have 1 to 255 bytes".to_owned()));
    }
    runtime()?.block_on(async {
        let way = match open_database(config).await? {
            Some(store) => Way::Database(store),
            None => Way::Api(ApiClient::new(&options.api)?),
        };
        match &options.command {
            MembersCommand::Add { topic, user, role } => {
                if !(1..=MAX_ROLE).contains(&role.len()) {
                    return Err(Failure::Usage(format!("a role has 1 to {MAX_ROLE} bytes")));
                }
                way.add(topic, user, role).await
            }
            MembersCommand::Remove { topic, user } => way.remove(topic, user).await,
            MembersCommand::List { topic } => way.list(topic).await,
        }
    })
}

impl Way<'_> {
    async fn add(&self, topic: &str, user: &str, role: &str) -> Result<(), Failure> {
        match self {
            Self::Database(store) => print_line(&as_json(&store.add_member(topic, user, role).await?)),
            Self::Api(api) => {
                let answer = api.put(&member_path(topic, user), &json!({ "role": role })).await?;
                print(&format!("{answer}\n"));
            }
        }
        Ok(())
    }

    async fn remove(&self, topic: &str, user: &str) -> Result<(), Failure> {
        match self {
            Self::Database(store) => drop(store.remove_member(topic, user).await?),
            Self::Api(api) => api.delete(&member_path(topic, user)).await?,
        }
        print_line(&json!({ "topic": topic, "user": user, "member": false }));
        Ok(())
    }

    /// Page after page, so that many members need little memory.
    async fn list(&self, topic: &str) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let page: Vec<Value> = match self {
                Self::Database(store) => {
                    store.members(topic, after.as_deref(), PAGE).await?.iter().map(as_json).collect()
                }
                Self::Api(api) => {
                    let after = after.as_deref().map(|after| format!("&after={}", encoded(after)));
                    let query = format!("limit={PAGE}{}", after.unwrap_or_default());
                    let answer = api.get(&format!("/api/v1/topics/{}/members?{query}", encoded(topic))).await?;
                    let mut answer: Value = serde_json::from_str(&answer).map_err(Failure::unavailable)?;
                    serde_json::from_value(answer["members"].take()).map_err(Failure::unavailable)?
                }
            };
            page.iter().for_each(print_line);
            match page.last().and_then(|last| last["user"].as_str()) {
                Some(last) => after = Some(last.to_owned()),
                None => return Ok(()),
            }
        }
    }
}

fn as_json(member: &Member) -> Value {
    json!({ "user": member.user, "role": member.role, "inserted_at": member.inserted_at.to_string() })
}

fn print_line(value: &Value) {
    print(&format!("{value}\n"));
}

fn member_path(topic: &str, user: &str) -> String {
    format!("/api/v1/topics/{}/members/{}", encoded(topic), encoded(user))
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable => Self::unavailable(error),
            StoreError::Unstorable => Self::Usage(error.to_string()),
        }
    }
}
