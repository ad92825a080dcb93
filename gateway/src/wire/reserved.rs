/// Whether an event belongs to the protocol itself: neither clients nor back ends may broadcast it, or they could close
/// the channels of others, or show them people who are not there.
pub fn is_reserved_event(event: &str) -> bool {
    event.starts_with("phx_") || event.starts_with("presence_") || event == "disconnect"
}
