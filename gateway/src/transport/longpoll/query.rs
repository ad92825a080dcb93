use super::token::PREFIX;

/// The query of a request, taken apart: the session's token, and the rest, which are the connect params.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) session: Option<String>,
    pub(super) params: String,
}

impl Query {
    /// phoenix.js appends the session's token as `token` to whatever its user has as params, and that is often a `token`
    /// too: of two the last is the session's (ruling 6). A single one is, if it looks like one.
    pub(super) fn read(query: &str) -> Self {
        let pairs: Vec<&str> = query.split('&').collect();
        let token = |pair: &&str| {
            let (name, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
            (name == "token").then(|| value.into_owned())
        };
        let mut tokens = pairs.iter().enumerate().filter_map(|(at, pair)| Some((at, token(pair)?))).collect::<Vec<_>>();
        let several = tokens.len() > 1;
        match tokens.pop().filter(|(_, value)| several || value.starts_with(PREFIX)) {
            Some((taken, session)) => {
                let rest = pairs.iter().enumerate().filter(|(at, _)| *at != taken).map(|(_, pair)| *pair);
                Self { session: Some(session), params: rest.collect::<Vec<_>>().join("&") }
            }
            None => Self { session: None, params: query.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_tokens_is_the_session_s() {
        let read = |query| {
            let Query { session, params } = Query::read(query);
            (session.unwrap_or_default(), params)
        };
        let none = |query: &str| (String::new(), query.to_owned());
        assert_eq!(read("token=jwt&vsn=2.0.0&"), none("token=jwt&vsn=2.0.0&"));
        assert_eq!(read("vsn=2.0.0&token=lp.a.b.c"), ("lp.a.b.c".into(), "vsn=2.0.0".into()));
        assert_eq!(read("token=jwt&vsn=2.0.0&token=lp.a.b.c"), ("lp.a.b.c".into(), "token=jwt&vsn=2.0.0".into()));
        assert_eq!(read("token=jwt&token=bogus"), ("bogus".into(), "token=jwt".into()));
        assert_eq!(read("t%6Fken=lp%2Ea"), ("lp.a".into(), String::new()));
        assert_eq!(read("token[a]=lp.x&a=token"), none("token[a]=lp.x&a=token"));
        assert_eq!(read(""), none(""));
    }
}
