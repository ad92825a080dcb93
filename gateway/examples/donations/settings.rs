use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateway::config::{Secret, process_environment};

use crate::shared::AnyError;

/// What the environment may change beside the settings of the gateway and `DATABASE_URL`.
pub(crate) struct Settings {
    /// `DONATIONS_ADMINS`: `name:token`, several with commas between.
    pub(crate) admins: Admins,
    /// `DONATIONS_REFRESH_SECONDS`: how often donors are told where their campaign stands.
    pub(crate) refresh_every: Duration,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, AnyError> {
        let mut given: HashMap<_, _> = process_environment().collect();
        let mut take = |name: &str, default: &str| given.remove(name).unwrap_or_else(|| default.to_owned());
        let seconds = take("DONATIONS_REFRESH_SECONDS", "60").parse().ok().filter(|seconds| *seconds > 0);
        Ok(Self {
            admins: Admins::new(&take("DONATIONS_ADMINS", "admin:admin-token"))?,
            refresh_every: Duration::from_secs(seconds.ok_or("DONATIONS_REFRESH_SECONDS must be a number above 0")?),
        })
    }
}

/// Who may see the dashboard.
#[derive(Clone)]
pub(crate) struct Admins(Arc<[(String, Secret)]>);

impl Admins {
    /// Of `name:token,…`.
    pub(crate) fn new(listed: &str) -> Result<Self, AnyError> {
        let admins = listed.split(',').map(|admin| {
            let (name, token) = admin.split_once(':').filter(|(_, token)| !token.is_empty())?;
            Some((name.trim().to_owned(), Secret::new(token)))
        });
        Ok(Self(
            admins.collect::<Option<_>>().ok_or("DONATIONS_ADMINS must be name:token, with commas between several")?,
        ))
    }

    /// The name of the admin with this token.
    pub(crate) fn by_token(&self, token: &str) -> Option<&str> {
        self.0.iter().find(|(_, secret)| secret.matches(token.as_bytes())).map(|(name, _)| &**name)
    }
}
