use gateway::{Accepted, ConnectError, ConnectInfo, Params, Socket};
use serde::Serialize;

/// What somebody does in the gym.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    #[default]
    Participant,
    Trainer,
}

/// Who is at the other end of a socket: its assigns.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// Everybody with a name and a role may connect. A real gym would take both from a token.
pub(crate) struct UserSocket;

impl Socket for UserSocket {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let name = params.get("name").filter(|name| (1..=40).contains(&name.chars().count()));
        let name = name.ok_or_else(ConnectError::refused)?;
        let role = match params.get("role") {
            Some("participant") => Role::Participant,
            Some("trainer") => Role::Trainer,
            _ => return Err(ConnectError::refused()),
        };
        Ok(Accepted::new().id(format!("user_socket:{name}")).assign(User { name: name.to_owned(), role }))
    }
}
