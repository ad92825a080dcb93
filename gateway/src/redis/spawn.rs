use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Runs the work of a connection until it ends or the process stops.
pub type Spawn = Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;
