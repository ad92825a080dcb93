use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::token::SessionId;

/// How many POSTs of one session this pod has in hand at once. phoenix.js sends one at a time.
pub(super) const MAX_PLACES: usize = 16;

/// The POSTs of each session, here or at another pod, from before their body is read until they are answered.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<SessionId, usize>>);

impl Places {
    /// Takes a place until what is returned is dropped; none when all are taken.
    pub(super) fn take(self: &Arc<Self>, session: &SessionId) -> Option<Place> {
        let mut taken = self.0.lock();
        let count = taken.entry(session.clone()).or_default();
        if *count >= MAX_PLACES {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), session: session.clone() })
    }
}

/// A place that is taken.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    session: SessionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        if let Some(count) = taken.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_its_places_and_none_is_left_behind() {
        let (places, one, other) = (Arc::new(Places::default()), SessionId::random(), SessionId::random());
        let mut taken: Vec<_> = (0..MAX_PLACES).map(|_| places.take(&one).unwrap()).collect();
        assert!(places.take(&one).is_none() && places.take(&other).is_some());
        taken.pop();
        taken.push(places.take(&one).unwrap());
        assert!(places.take(&one).is_none());
        drop(taken);
        assert!(places.0.lock().is_empty());
    }
}
