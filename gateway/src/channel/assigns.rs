use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;

/// Values that the connect callback leaves for the channels of the socket, one of each type.
///
/// It is set up once, at connect, and only read afterwards. An empty one owns no memory.
#[derive(Default)]
pub struct Assigns(BTreeMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Assigns {
    /// Puts a value in the place of its type and returns the one that was there.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let old = self.0.insert(TypeId::of::<T>(), Box::new(value))?;
        old.downcast().ok().map(|old| *old)
    }

    /// The value of a type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Assigns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets: only their number is shown.
        f.debug_struct("Assigns").field("len", &self.0.len()).finish()
    }
}
