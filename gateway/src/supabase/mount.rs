use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::channel::Realtime;
use super::rules::Rules;
use super::socket::SupabaseSocket;
use crate::auth::Verifier;
use crate::channel::{Instance, Router};
use crate::config::{self, History};
use crate::history::Retention;
use crate::socket::{Mount, Refusal};
use crate::wire::Dialect;

/// How long a refused client waits for the answer (protocol 8.1).
const REFUSAL_DELAY: Duration = Duration::from_secs(2);

/// A socket of the configuration for clients of Supabase, with the topics of the configuration that begin with `realtime:`.
pub(crate) fn supabase_mount(
    socket: &config::Socket,
    channels: &[config::Channel],
    verifier: Option<Arc<Verifier>>,
) -> Mount {
    let unauthorized = |reason: &str| Refusal { status: StatusCode::UNAUTHORIZED, body: reason.to_owned() };
    Mount::new(socket.path.as_str(), SupabaseSocket::new(verifier, socket.id.clone()), routes(channels))
        .dialect(Dialect::Supabase)
        .json_refusals(REFUSAL_DELAY)
        .on_refused(unauthorized)
}

fn routes(channels: &[config::Channel]) -> Router {
    channels.iter().fold(Router::new(), |router, channel| {
        let rules = Arc::new(Rules::of(channel));
        let kept = channel.history.map(|History { size, ttl }| Retention::new(size, ttl));
        let factory = move || Box::new(Realtime::new(Arc::clone(&rules))) as Box<dyn Instance>;
        router.instance(channel.topic.clone(), kept, factory)
    })
}
