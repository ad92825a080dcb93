//! permessage-deflate (RFC 7692): what a client and this server agree on, and messages compressed and inflated.
//!
//! Called by the codec around it (inflating), by `outbox` (compressing) and by the route of the upgrade ([`negotiate`]).
//!
//! Invariants: no context is taken over in either direction, so that each message stands alone. Then what one connection
//! is sent can be shared with others, nothing is kept per connection, and no message tells by its size what was in an
//! earlier one. What compresses and inflates belongs to the thread. What a message is inflated to is never larger than
//! the limit of messages.

mod deflater;
mod extensions;
mod inflater;
mod negotiation;
mod window;

pub use deflater::{MIN_LEN, compress};
pub use negotiation::{Agreement, negotiate};
pub use window::Window;

pub(super) use inflater::inflate;
