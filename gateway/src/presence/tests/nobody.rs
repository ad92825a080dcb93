use crate::presence::store::Events;

/// Hears nothing.
pub(in crate::presence) struct Nobody;

impl Events for Nobody {
    fn changed(&self, _topic: &str) {}

    fn deaf(&self) {}

    fn beat(&self) {}

    fn lost(&self, _set_back: bool) {}

    fn reborn(&self) {}
}
