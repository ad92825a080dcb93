//! Who is a member of a topic, as the table says.

use crate::auth::Identity;
use crate::channel::Context;
use crate::store::{Store, StoreError};
use crate::wire::Reason;

/// Looks whether the client of a channel is a member of its topic.
///
/// # Errors
/// With the reason why it may not join.
pub(super) async fn check(store: &Store, cx: &Context) -> Result<(), Reason> {
    let Some(identity) = cx.client().assign::<Identity>() else { return Err(Reason::Unauthorized) };
    match store.role(cx.topic(), identity.sub()).await {
        Ok(Some(_role)) => Ok(()),
        // A name that cannot be stored is nobody's.
        Ok(None) | Err(StoreError::Unstorable) => Err(Reason::Unauthorized),
        Err(StoreError::Unavailable) => Err(Reason::Unavailable),
    }
}
