use std::fmt;

use url::Url;

use super::secret::REDACTED;

/// The address of another service, without user and password. Its query may hold a key: `Debug` and `Display` show `***`
/// in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl(Url);

impl ServiceUrl {
    /// None when its query is what this type prints in place of one.
    pub(super) fn new(url: Url) -> Option<Self> {
        (url.query() != Some(REDACTED)).then_some(Self(url))
    }

    /// The whole address: for requests, never for printing.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        if url.query().is_some() {
            url.set_query(Some(REDACTED));
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({self})")
    }
}
