use std::fmt;
use std::sync::Arc;

use super::forward::Forwarder;
use super::places::Places;
use super::secret::{Keys, Secret};
use super::serve::Server;
use super::sessions::Sessions;
use super::token::Ticket;
use crate::lifecycle::Tasks;
use crate::pubsub::PubSub;

/// The long-poll sessions of this pod, and the way to those of others.
pub(crate) struct LongPolls {
    secret: Secret,
    sessions: Arc<Sessions>,
    forwarder: Arc<Forwarder>,
    places: Arc<Places>,
}

impl LongPolls {
    /// Begins to work for other pods, until `background` stops. When `stopping` stops, requests that wait at other pods are
    /// called back.
    pub(crate) fn start(pubsub: &PubSub, background: &Tasks, stopping: &Tasks) -> Arc<Self> {
        let sessions = Arc::new(Sessions::default());
        let forwarder = Forwarder::new(pubsub.clone(), background.clone(), stopping.clone());
        let server = Server::new(pubsub.clone(), Arc::clone(&sessions), Arc::clone(&forwarder), background.clone());
        pubsub.open_letters(Arc::new(move |letter| server.receive(&letter)));
        let this = Arc::new(Self { secret: Secret::new(), sessions, forwarder, places: Arc::default() });
        let (agreeing, pubsub) = (Arc::clone(&this), pubsub.clone());
        background.spawn_until_stop(async move { agreeing.secret.agree(&pubsub).await });
        this
    }

    pub(super) async fn keys(&self) -> Option<Arc<Keys>> {
        self.secret.keys().await
    }

    pub(super) fn forwarder(&self) -> &Arc<Forwarder> {
        &self.forwarder
    }

    /// Whether a session is said to be here.
    pub(super) fn is_here(&self, ticket: &Ticket) -> bool {
        ticket.node == *self.forwarder.node()
    }

    /// Who may have a body read.
    pub(super) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    pub(super) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }
}

impl fmt::Debug for LongPolls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongPolls").finish_non_exhaustive()
    }
}
