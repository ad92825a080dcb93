//! What an application adds to its gateway beside channels: HTTP routes, jobs, and a process that stops in order.

use std::collections::HashSet;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::turn::{Turn, turns};
use super::{Builder, Gateway, StartError};
use crate::channel::Endpoint;
use crate::lifecycle::{StopSignals, Tasks};

type Routes = Box<dyn FnOnce(&Endpoint) -> axum::Router + Send>;
type JobResult = Result<(), Box<dyn Error + Send + Sync>>;
type Job = Box<dyn Fn(Turn) -> Pin<Box<dyn Future<Output = JobResult> + Send>> + Send + Sync>;

/// Routes and jobs, until there is an endpoint to give them.
#[derive(Default)]
pub(super) struct Application {
    routes: Vec<Routes>,
    jobs: Vec<(Arc<str>, Duration, Job)>,
}

impl Application {
    /// What cannot be started.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let mut names = HashSet::new();
        match self.jobs.iter().find(|(name, ..)| !names.insert(Arc::clone(name))) {
            Some((name, ..)) => Err(StartError::RepeatedJob(Arc::clone(name))),
            None => Ok(()),
        }
    }

    /// Puts the application's routes behind those of the sockets and begins its jobs.
    pub(super) fn start(self, sockets: axum::Router, endpoint: &Endpoint, tasks: &Tasks) -> axum::Router {
        for (name, period, job) in self.jobs {
            tasks.spawn_until_stop(turns(name, period, endpoint.clone(), job));
        }
        let routes = self.routes.into_iter().map(|routes| routes(endpoint)).reduce(axum::Router::merge);
        match routes {
            Some(routes) => sockets.fallback_service(routes),
            None => sockets,
        }
    }
}

impl Builder {
    /// Adds HTTP routes of the application to the public listener: pages, sign-in, what back ends post. Sockets come
    /// first; what neither knows is answered 404. They are plain axum 0.8 routes: who may call them is up to the
    /// application. `limits.handshake_timeout` and the limits on connections hold for them too.
    ///
    /// ```
    /// use axum::routing::{Router, post};
    /// use gateway::{Gateway, config::Config};
    /// use serde_json::json;
    ///
    /// let builder = Gateway::builder(Config::embedded()).routes(|endpoint| {
    ///     let endpoint = endpoint.clone();
    ///     let announce = async move || match endpoint.broadcast("room:lobby", "closing", json!({})).await {
    ///         Ok(()) => "told",
    ///         Err(_) => "perhaps told",
    ///     };
    ///     Router::new().route("/announce", post(announce))
    /// });
    /// ```
    ///
    /// Called again, it adds more; [`Builder::start`] panics when two of them claim one path, or both have a fallback.
    #[must_use]
    pub fn routes(mut self, routes: impl FnOnce(&Endpoint) -> axum::Router + Send + 'static) -> Self {
        self.application.routes.push(Box::new(routes));
        self
    }

    /// Runs a job once in every period, on each pod, at the same moments by the clock: with a period of a minute, at the
    /// full minute. What it broadcasts through its [`Turn`] is sent once per turn, whatever the number of pods. Its name
    /// is what pods know it by: [`Builder::start`] refuses a second job of one name.
    ///
    /// An error, or a panic, is logged, and the next turn comes all the same; turns that pass while the job still runs are
    /// left out. The stop of the gateway drops a job at its next await.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use gateway::{Gateway, Turn, config::Config};
    /// use serde_json::json;
    ///
    /// let job = |turn: Turn| async move {
    ///     turn.broadcast("room:lobby", "minute", json!({ "number": turn.number() })).await?;
    ///     Ok(())
    /// };
    /// let builder = Gateway::builder(Config::embedded()).every(Duration::from_secs(60), "refresh", job);
    /// ```
    #[must_use]
    pub fn every<F, J>(mut self, period: Duration, name: &str, job: F) -> Self
    where
        F: Fn(Turn) -> J + Send + Sync + 'static,
        J: Future<Output = JobResult> + Send + 'static,
    {
        let job: Job = Box::new(move |turn| Box::pin(job(turn)));
        self.application.jobs.push((name.into(), period, job));
        self
    }
}

impl Gateway {
    /// Serves until SIGTERM or SIGINT, then stops in order as [`Gateway::shutdown`] does; a second signal ends that at
    /// once. Whether all ended in time.
    ///
    /// Tasks that are still at work then are not ended by this, and a runtime that is dropped waits without end for one that
    /// blocks. The caller has to bound that: end the process, or use `Runtime::shutdown_timeout`.
    ///
    /// # Errors
    /// When the signals cannot be caught; the gateway is stopped then.
    pub async fn until_stopped(self) -> io::Result<bool> {
        let mut signals = match StopSignals::new() {
            Ok(signals) => signals,
            Err(error) => {
                self.shutdown().await;
                return Err(error);
            }
        };
        signals.next().await;
        tokio::select! {
            clean = self.shutdown() => Ok(clean),
            () = signals.next() => Ok(false),
        }
    }
}
