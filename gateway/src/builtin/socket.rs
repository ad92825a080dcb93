use crate::config::IdTemplate;
use crate::socket::{Accepted, ConnectError, ConnectInfo, Params, Socket};

/// The connect param `user_id`, for the presences of relays.
pub(super) struct UserId(pub(super) Box<str>);

/// Lets everybody connect; the socket id comes from the connect params by a template.
#[derive(Debug, Clone, Default)]
pub struct RelaySocket {
    id: Option<IdTemplate>,
}

impl RelaySocket {
    /// With the template of the configuration.
    pub fn new(id: Option<IdTemplate>) -> Self {
        Self { id }
    }
}

impl Socket for RelaySocket {
    async fn connect(&self, params: &Params, _info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let mut accepted = Accepted::new();
        if let Some(user) = params.get("user_id").filter(|user| !user.is_empty()) {
            accepted = accepted.assign(UserId(user.into()));
        }
        let id = self.id.as_ref().and_then(|template| template.render(|name| params.get(name)));
        Ok(match id {
            Some(id) => accepted.id(id),
            None => accepted,
        })
    }
}
