/// The longest topic or event in bytes: what the one-byte sizes of a binary frame can carry.
pub(super) const LONGEST_NAME: usize = 255;

/// A list of events of clients: those that they may broadcast, or those that a back end decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvents {
    /// `["*"]`: all but the reserved ones.
    All,
    /// Exactly these. Nothing to broadcast means that only back ends speak.
    Only(Vec<String>),
}

impl ClientEvents {
    /// Of the entries of a list that were checked one by one.
    pub(super) fn of(entries: Vec<String>) -> Self {
        if entries.iter().any(|entry| entry == "*") { Self::All } else { Self::Only(entries) }
    }

    /// As the file writes it.
    pub(super) fn entries(&self) -> Vec<&str> {
        match self {
            Self::All => vec!["*"],
            Self::Only(events) => events.iter().map(String::as_str).collect(),
        }
    }

    /// Whether it is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Only(events) if events.is_empty())
    }

    /// Whether `event` is one of them. Reserved events are refused elsewhere, whatever the list says.
    pub fn allows(&self, event: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(events) => events.iter().any(|allowed| allowed == event),
        }
    }
}

/// One entry of such a list.
pub(super) fn check_event(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST_NAME {
        return Err("must hold event names of 1 to 255 bytes".to_owned());
    }
    if text != "*" && text.contains('*') {
        return Err(format!("has the entry {text:?}, but * stands only alone, for all events"));
    }
    // As `wire::is_closed_to_clients` says.
    if text.starts_with("phx_") || text.starts_with("presence_") || matches!(text, "disconnect" | "token_expiring") {
        return Err(format!("has the entry {text:?}, which clients can never broadcast"));
    }
    Ok(text.to_owned())
}
