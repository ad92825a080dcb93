use std::any::{Any, TypeId};
use std::fmt;

/// Values that the connect callback leaves for the channels of the socket, one of each type.
///
/// It is set up once, at connect, and only read afterwards. An empty one owns no memory, and another only what it holds:
/// there is one for each connection, with few values.
#[derive(Default)]
pub struct Assigns(Vec<(TypeId, Box<dyn Any + Send + Sync>)>);

impl Assigns {
    /// Without any.
    pub(super) const NONE: &'static Self = &Self(Vec::new());

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a value in the place of its type and returns the one that was there.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let (of_type, value) = (TypeId::of::<T>(), Box::new(value));
        if let Some((_, place)) = self.0.iter_mut().find(|(other, _)| *other == of_type) {
            return std::mem::replace(place, value).downcast().ok().map(|old| *old);
        }
        self.0.reserve_exact(1);
        self.0.push((of_type, value));
        None
    }

    /// The value of a type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let of_type = TypeId::of::<T>();
        self.0.iter().find(|(other, _)| *other == of_type)?.1.downcast_ref()
    }
}

impl fmt::Debug for Assigns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets: only their number is shown.
        f.debug_struct("Assigns").field("len", &self.0.len()).finish()
    }
}
