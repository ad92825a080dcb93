use std::sync::Arc;

use super::router::Router;
use crate::config::TopicPattern;
use crate::history::{Policy, Retention};
use crate::wire::topic_on_the_wire;

/// Which topics keep a history: in each router the first pattern that matches decides, and the first router that gives
/// one. None when no pattern gives any.
pub(crate) fn policy<'a>(routers: impl Iterator<Item = &'a Router>) -> Option<Policy> {
    let own =
        |router: &Router| -> Patterns { router.histories().map(|(pattern, kept)| (pattern.clone(), kept)).collect() };
    let gives = |patterns: &Patterns| patterns.iter().any(|(_, kept)| kept.is_some());
    let routers: Vec<Patterns> = routers.map(own).filter(gives).collect();
    if routers.is_empty() {
        return None;
    }
    // A private topic of Supabase's dialect is matched by the name that its clients know.
    Some(Arc::new(move |topic| routers.iter().find_map(|patterns| first(patterns, topic_on_the_wire(topic)))))
}

type Patterns = Vec<(TopicPattern, Option<Retention>)>;

fn first(patterns: &Patterns, topic: &str) -> Option<Retention> {
    patterns.iter().find(|(pattern, _)| pattern.matches(topic))?.1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::instance::Instance;
    use super::*;

    fn router(patterns: &[(&str, Option<u32>)]) -> Router {
        patterns.iter().fold(Router::new(), |router, (pattern, size)| {
            let kept = size.map(|size| Retention::new(size, Duration::from_secs(1)));
            let nobody = || -> Box<dyn Instance> { unreachable!("nobody joins") };
            router.instance(pattern.parse().unwrap(), kept, nobody)
        })
    }

    #[test]
    fn the_first_pattern_of_each_router_decides() {
        let first = router(&[("room:1", None), ("room:*", Some(5)), ("*", Some(9))]);
        let second = router(&[("room:1", Some(7)), ("x", Some(8))]);
        let policy = policy([&first, &second].into_iter()).unwrap();
        let size = |topic: &str| policy(topic).map(|kept| kept.size());
        assert_eq!((size("room:2"), size("x"), size("room:1")), (Some(5), Some(9), Some(7)));
        assert_eq!(size("@private:room:2"), Some(5));
    }

    #[test]
    fn without_a_pattern_that_keeps_one_there_is_none() {
        assert!(policy([&router(&[("*", None)]), &Router::new()].into_iter()).is_none());
    }
}
