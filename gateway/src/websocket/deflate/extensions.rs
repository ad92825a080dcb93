//! The grammar of `sec-websocket-extensions` (RFC 6455, 9.1).

use std::borrow::Cow;

/// One extension that a client offers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer<'a> {
    pub(super) name: &'a str,
    /// In the order in which they stand, with their values.
    pub(super) params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// What stands in one line of the header, in its order. None: an entry that is not in the grammar.
pub(super) fn offers(line: &str) -> impl Iterator<Item = Option<Offer<'_>>> {
    // A list may have empty entries (RFC 2616, 2.1).
    split(line, ',').filter(|entry| !entry.is_empty()).map(offer)
}

fn offer(entry: &str) -> Option<Offer<'_>> {
    let mut parts = split(entry, ';');
    let name = parts.next().filter(|name| is_token(name))?;
    let params = parts.map(|part| match part.split_once('=') {
        None => is_token(part).then_some((part, None)),
        Some((name, value)) => {
            let name = trim(name);
            is_token(name).then_some((name, Some(value_of(trim(value))?)))
        }
    });
    Some(Offer { name, params: params.collect::<Option<_>>()? })
}

/// A token, or one in quotes.
fn value_of(text: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = text.strip_prefix('"') else { return is_token(text).then_some(Cow::Borrowed(text)) };
    let mut chars = quoted.strip_suffix('"')?.chars();
    let mut value = String::new();
    while let Some(char) = chars.next() {
        value.push(if char == '\\' { chars.next()? } else { char });
    }
    is_token(&value).then_some(Cow::Owned(value))
}

/// Splits at a separator that is not in quotes, and trims the parts.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |char| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match char {
            '"' => quoted = !quoted,
            '\\' => escaped = quoted,
            _ => {}
        }
        !quoted && char == separator
    });
    parts.map(trim)
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 2616, 2.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{Offer, offers};

    type Parsed<'a> = (&'a str, Vec<(&'a str, Option<String>)>);

    fn parse(line: &str) -> Vec<Option<Parsed<'_>>> {
        let plain = |Offer { name, params }| {
            (name, params.into_iter().map(|(name, value)| (name, value.map(Into::into))).collect())
        };
        offers(line).map(|offer| offer.map(plain)).collect()
    }

    #[test]
    fn offers_are_read_in_order() {
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(
            parse("foo, bar; baz=2 ,\t x;y ; z = \"9\";w=\"\\a1\""),
            [
                Some(("foo", vec![])),
                Some(("bar", vec![("baz", value("2"))])),
                Some(("x", vec![("y", None), ("z", value("9")), ("w", value("a1"))])),
            ]
        );
        assert_eq!(parse(" ,foo,, ,"), [Some(("foo", vec![]))]);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn what_is_not_in_the_grammar_spoils_its_own_offer() {
        for bad in [
            "foo;",
            "foo;=1",
            "foo; a b",
            "foo; a=",
            "foo; a=\"",
            "foo; a=\"\"",
            "foo; a=\"b\\\"",
            "foo; a=\"b c\"",
            "f@o",
            "foo bar",
            ";a",
            "foo; a=1=2",
            "foo;;a",
            "föö",
            "foo; a=\"1\"2",
        ] {
            let line = format!("ok, {bad}");
            let parsed = parse(&line);
            assert_eq!(parsed[0], Some(("ok", vec![])), "{bad}");
            assert_eq!(parsed[1], None, "{bad}");
        }
        assert_eq!(parse("foo; a=\"b, ok"), [None], "an open quote hides what follows");
        assert_eq!(parse("foo; a=\"b, c\", ok"), [None, Some(("ok", vec![]))]);
    }
}
