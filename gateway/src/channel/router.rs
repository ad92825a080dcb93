use std::fmt;
use std::sync::Arc;

use super::instance::{Custom, Instance};
use super::traits::Channel;
use crate::config::{InvalidPattern, TopicPattern};
use crate::history::Retention;
use crate::wire::is_private_topic;

/// A pattern and how to make its channels.
pub(crate) struct Route {
    pattern: TopicPattern,
    factory: Box<dyn Fn() -> Box<dyn Instance> + Send + Sync>,
    intercept: Arc<[Box<str>]>,
    history: Option<Retention>,
}

impl Route {
    pub(crate) fn instance(&self) -> Box<dyn Instance> {
        (self.factory)()
    }

    pub(crate) fn intercept(&self) -> &Arc<[Box<str>]> {
        &self.intercept
    }

    /// How much of its topics is kept.
    pub(crate) fn history(&self) -> Option<Retention> {
        self.history
    }
}

/// The channels of a socket: the first pattern that matches a topic wins, in the order they were added (row 105).
#[derive(Default)]
pub struct Router {
    routes: Vec<Arc<Route>>,
}

impl Router {
    /// Without channels: every topic is unmatched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a channel; `factory` makes a new one for every join.
    ///
    /// # Errors
    /// When the pattern has a `*` elsewhere than at its end.
    pub fn channel<C, F>(mut self, pattern: &str, factory: F) -> Result<Self, InvalidPattern>
    where
        C: Channel,
        F: Fn() -> C + Send + Sync + 'static,
    {
        let intercept = C::intercept().iter().map(|&event| event.into()).collect();
        let factory = Box::new(move || Box::new(Custom(factory())) as Box<dyn Instance>);
        self.routes.push(Arc::new(Route { pattern: pattern.parse()?, factory, intercept, history: C::history() }));
        Ok(self)
    }

    /// Adds a built-in channel, whose topics keep so much.
    pub(crate) fn instance<F>(mut self, pattern: TopicPattern, history: Option<Retention>, factory: F) -> Self
    where
        F: Fn() -> Box<dyn Instance> + Send + Sync + 'static,
    {
        let (factory, intercept) = (Box::new(factory), Arc::default());
        self.routes.push(Arc::new(Route { pattern, factory, intercept, history }));
        self
    }

    /// For each pattern, how much its topics keep: the first that matches a topic decides.
    pub(crate) fn histories(&self) -> impl Iterator<Item = (&TopicPattern, Option<Retention>)> {
        self.routes.iter().map(|route| (&route.pattern, route.history))
    }

    /// The route of a topic that a client asks for. Private topics of Supabase's dialect are never asked for by the name that
    /// they have among all topics, whatever the patterns say.
    pub(crate) fn find(&self, topic: &str) -> Option<&Arc<Route>> {
        if is_private_topic(topic) {
            return None;
        }
        self.routes.iter().find(|route| route.pattern.matches(topic))
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.routes.iter().map(|route| &route.pattern)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, topic: &str) -> bool {
        pattern.parse::<TopicPattern>().unwrap().matches(topic)
    }

    #[test]
    fn a_pattern_is_a_topic_or_a_prefix() {
        assert!(matches("room:lobby", "room:lobby"));
        assert!(!matches("room:lobby", "room:lobby2"));
        assert!(!matches("room:lobby", "room:"));
        assert!(matches("room:*", "room:lobby") && matches("room:*", "room:"));
        assert!(!matches("room:*", "room") && !matches("room:*", "Room:lobby"));
        assert!(matches("foo*", "food:1") && matches("*", "") && matches("*", "room:*"));
    }

    #[test]
    fn private_topics_are_found_by_no_pattern() {
        let nobody = || -> Box<dyn Instance> { unreachable!("nobody joins") };
        let router = Router::new().instance("*".parse().unwrap(), None, nobody);
        assert!(router.find("realtime:a").is_some());
        assert!(router.find("@private:realtime:a").is_none());
    }

    #[test]
    fn a_star_stands_only_at_the_end() {
        for pattern in ["", "room:*:x", "*:x", "a**", "**"] {
            assert!(pattern.parse::<TopicPattern>().is_err(), "{pattern}");
        }
    }
}
