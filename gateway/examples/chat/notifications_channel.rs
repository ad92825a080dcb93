use gateway::{Channel, JoinContext, JoinError, JoinResult, Payload};

use crate::user_socket::User;

/// `notifications:<user>`, for that user alone. Only the server sends there.
pub(crate) struct NotificationsChannel;

impl Channel for NotificationsChannel {
    async fn join(&mut self, _params: Payload, cx: &mut JoinContext) -> JoinResult {
        let user = cx.client().assign::<User>().map(|user| &*user.id);
        let wanted = cx.topic().strip_prefix("notifications:");
        if user == wanted { Ok(Payload::empty()) } else { Err(JoinError::reason("unauthorized")) }
    }
}
