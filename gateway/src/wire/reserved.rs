/// Whether an event belongs to the protocol itself: neither clients nor back ends may broadcast it, or they could close
/// the channels of others, or show them people who are not there.
pub fn is_reserved_event(event: &str) -> bool {
    event.starts_with("phx_") || event.starts_with("presence_") || event == "disconnect"
}

/// What a client gets on each topic before its connection ends.
pub(crate) const TOKEN_EXPIRING: &str = "token_expiring";

/// Whether no client may broadcast an event, whatever it is allowed: those that are reserved, and what only the gateway can
/// know. A client that could say it to others would make them all fetch tokens at once.
pub(crate) fn is_closed_to_clients(event: &str) -> bool {
    is_reserved_event(event) || event == TOKEN_EXPIRING
}
