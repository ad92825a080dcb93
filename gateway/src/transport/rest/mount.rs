use crate::auth::CheckOrigin;
use crate::supabase::Speakers;

/// A mount whose clients broadcast by plain requests, too.
#[derive(Debug)]
pub(crate) struct RestMount {
    /// Where the mount is.
    pub(crate) path: String,
    /// Which web pages may: those that may connect.
    pub(crate) check_origin: CheckOrigin,
    /// The largest payload in bytes: what a frame may have.
    pub(crate) max_payload: usize,
    /// Who may speak where.
    pub(crate) speakers: Speakers,
}
