use gateway::{Accepted, ConnectError, ConnectInfo, Params, Socket};

use crate::store::Store;

/// Who is at the other end of a socket: its assigns.
#[derive(Debug, Clone, Default)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) device: String,
}

/// Whoever has signed in may connect.
pub(crate) struct UserSocket {
    store: Store,
}

impl UserSocket {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Socket for UserSocket {
    async fn connect(&self, params: &Params, info: &ConnectInfo<'_>) -> Result<Accepted, ConnectError> {
        let token = info.auth_token().ok_or_else(ConnectError::refused)?;
        let user = self.store.user_of(token).await.map_err(|error| ConnectError::reason(error.to_string()))?;
        let id = user.ok_or_else(ConnectError::refused)?;
        let device = params.get("device").unwrap_or("unknown").chars().take(40).collect();
        // `endpoint.disconnect("user_socket:ann")` ends all of ann's connections.
        Ok(Accepted::new().id(format!("user_socket:{id}")).assign(User { id, device }))
    }
}
