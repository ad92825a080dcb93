//! Who may do what in a topic: the one place that decides it for the channels of the configuration.

use crate::auth::{Identity, Rights};
use crate::channel::Client;
use crate::config::Join;

/// What a client may do in a topic now. It can change when the client is renewed.
pub(super) fn permit(join: Join, client: &Client, topic: &str) -> Rights {
    match (join, client.assign::<Identity>()) {
        // Behind a webhook the relay is joined only by whom the back end has let in, and where only members may join by whom
        // the table has.
        (Join::Open | Join::Webhook, _) | (Join::Authenticated | Join::Member, Some(_)) => Rights::ALL,
        (Join::Granted, Some(identity)) => identity.rights(topic),
        (Join::Authenticated | Join::Granted | Join::Member, None) => Rights::NONE,
    }
}
