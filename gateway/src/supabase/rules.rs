use super::broadcast::Keeping;
use super::system::refuse;
use super::token::Token;
use crate::auth::Rights;
use crate::channel::JoinError;
use crate::config::{self, ClientEvents, Join};
use crate::wire::{is_private_topic, topic_on_the_wire};

/// The role of who has not signed in.
const ANONYMOUS: &str = "anon";

/// What a `[[channel]]` says about the topics of Supabase's dialect that match it.
#[derive(Debug)]
pub(super) struct Rules {
    join: Join,
    client_events: ClientEvents,
    pub(super) presence: bool,
    /// Whether its topics keep a history: they carry JSON only.
    pub(super) kept: bool,
}

impl Rules {
    pub(super) fn of(channel: &config::Channel) -> Self {
        Self {
            join: channel.join,
            client_events: channel.client_events.clone(),
            presence: channel.presence,
            kept: channel.history.is_some(),
        }
    }

    /// What a token allows in a topic, which may be private. A public topic is open to who may join it.
    pub(super) fn rights(&self, token: &Token, topic: &str) -> Rights {
        if is_private_topic(topic) {
            return token.rights(topic_on_the_wire(topic));
        }
        match self.join {
            Join::Open => Rights::ALL,
            Join::Authenticated if token.role() != ANONYMOUS => Rights::ALL,
            // By grants alone, which public topics have not; nobody is here who could ask a back end or the database.
            Join::Authenticated | Join::Granted | Join::Member | Join::Webhook => Rights::NONE,
        }
    }

    /// Why who has no right to join is refused.
    pub(super) fn refusal(&self, topic: &str, name: &str) -> JoinError {
        if !is_private_topic(topic) && self.join != Join::Authenticated {
            return refuse("PrivateOnly", "This project only allows private channels");
        }
        refuse("Unauthorized", &format!("You do not have permissions to read from this Channel topic: {name}"))
    }

    /// What becomes of broadcasts in a topic, which may be private.
    pub(super) fn keeping(&self, topic: &str) -> Keeping {
        match (self.kept, is_private_topic(topic)) {
            (false, _) => Keeping::Nothing,
            (true, false) => Keeping::Json,
            (true, true) => Keeping::Numbered,
        }
    }

    /// Whether clients may say this.
    pub(super) fn allows(&self, event: &str) -> bool {
        self.client_events.allows(event)
    }
}
