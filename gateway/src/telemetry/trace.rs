use std::fmt;

use http::HeaderMap;

/// The trace to which a request belongs (W3C Trace Context): 32 hexadecimal digits.
///
/// It is believed without further ado: it is for finding log lines, and opens nothing. Nothing else of the header is logged,
/// and a header that is not of the right form is as good as none. The gateway makes no traces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId<'a>(&'a str);

impl<'a> TraceId<'a> {
    /// Of the header `traceparent`, if there is exactly one.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.to_str().ok()?),
            _ => None,
        }
    }

    fn parse(header: &'a str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let of = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let names = |part: &str, length| of(part, length) && part.bytes().any(|byte| byte != b'0');
        // Later versions may have more at the end, the first has not.
        let ends = version != "00" || parts.next().is_none();
        let fits = of(version, 2) && version != "ff" && names(trace, 32) && names(parent, 16) && of(flags, 2);
        (fits && ends).then_some(Self(trace))
    }
}

impl fmt::Display for TraceId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_headers_of_the_right_form_name_a_trace() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-a1b2c3d4e5f60718-01";
        let id = Some(TraceId("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(TraceId::parse(good), id);
        assert_eq!(TraceId::parse(&good.replacen("00-", "cc-", 1)), id, "a later version");
        assert_eq!(TraceId::parse(&format!("{}-more", good.replacen("00-", "cc-", 1))), id);
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-a1b2c3d4e5f60718",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-a1b2c3d4e5f60718-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-a1b2c3d4e5f60718-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-a1b2c3d4e5f60718-01",
            "00-00000000000000000000000000000000-a1b2c3d4e5f60718-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-a1b2c3d4e5f60718-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\n-a1b2c3d4e5f60718-01",
        ] {
            assert_eq!(TraceId::parse(bad), None, "{bad:?}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(TraceId::of(&headers), None);
        headers.append("traceparent", HeaderValue::from_static(good));
        assert_eq!(TraceId::of(&headers), id);
        headers.append("traceparent", HeaderValue::from_static(good));
        assert_eq!(TraceId::of(&headers), None, "two are none");
    }
}
