use http::header::{HeaderMap, SEC_WEBSOCKET_EXTENSIONS};

use super::extensions::{Offer, offers};
use super::window::Window;

const NAME: &str = "permessage-deflate";

/// What a client and this server compress by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// What the client may be sent.
    pub window: Window,
    /// Whether the client asked for a limit of it, and so has to be told.
    limited: bool,
}

impl Agreement {
    /// The value of the response's `sec-websocket-extensions`.
    ///
    /// It forbids the client to take over its context, which a server may do unasked (RFC 7692, 7.1.1.2). The client's
    /// window is left to the client: each message is inflated with the largest.
    pub fn answer(self) -> &'static str {
        match (self.limited, self.window) {
            (false, _) => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            (true, Window::Full) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"
            }
            (true, Window::Small) => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"
            }
        }
    }
}

/// Accepts the first offer of permessage-deflate that can be kept; none: the connection is not compressed.
///
/// The offers stand in the client's order of preference, on one line or on several. One that asks for something unknown,
/// malformed or impossible is declined, as RFC 7692, 7 says, and the next one is looked at.
pub fn negotiate(headers: &HeaderMap) -> Option<Agreement> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(offers).flatten().filter(|offer| offer.name == NAME).find_map(|offer| agree(&offer))
}

fn agree(offer: &Offer<'_>) -> Option<Agreement> {
    let mut seen = Vec::with_capacity(offer.params.len());
    let mut bits = None;
    for (name, value) in &offer.params {
        if seen.contains(name) {
            return None;
        }
        seen.push(*name);
        match (*name, value.as_deref()) {
            ("server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(value)) => drop(window_bits(value)?),
            ("server_max_window_bits", Some(value)) => bits = Some(window_bits(value)?),
            _ => return None,
        }
    }
    let window = bits.map_or(Some(Window::Full), Window::within)?;
    Some(Agreement { window, limited: bits.is_some() })
}

/// 8 to 15, without leading zeros (RFC 7692, 7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    (value.len() == if bits < 10 { 1 } else { 2 }).then_some(bits)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::negotiate;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn answer(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("sec-websocket-extensions", line.parse().unwrap());
        }
        negotiate(&headers).map(|agreement| agreement.answer().to_owned())
    }

    /// The answer to each is the plain one with this behind it.
    fn accepts(lines: &[&str], more: &str) {
        assert_eq!(answer(lines), Some(format!("{PLAIN}{more}")), "{lines:?}");
    }

    #[test]
    fn offers_that_can_be_kept_are_accepted() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate;client_max_window_bits=\"15\"",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10",
        ] {
            accepts(&[offer], "");
        }
    }

    #[test]
    fn a_limit_of_our_window_is_kept_and_told() {
        accepts(&["permessage-deflate; server_max_window_bits=15"], "; server_max_window_bits=15");
        accepts(&["permessage-deflate; server_max_window_bits=\"15\""], "; server_max_window_bits=15");
        for bits in 9..15 {
            accepts(&[&format!("permessage-deflate; server_max_window_bits={bits}")], "; server_max_window_bits=9");
        }
        assert_eq!(answer(&["permessage-deflate; server_max_window_bits=8"]), None);
    }

    #[test]
    fn other_offers_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; unknown=1",
            "permessage-deflate; Client_max_window_bits",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate client_max_window_bits",
        ] {
            assert_eq!(answer(&[offer]), None, "{offer}");
        }
        for value in ["7", "16", "0", "08", "015", "+9", "-9", "9.0", "x", "256", "9 9"] {
            for name in ["server_max_window_bits", "client_max_window_bits"] {
                assert_eq!(answer(&[&format!("permessage-deflate; {name}={value}")]), None, "{name}={value}");
            }
        }
        assert_eq!(answer(&[]), None);
    }

    #[test]
    fn the_first_offer_that_can_be_kept_wins() {
        let impossible = "permessage-deflate; server_max_window_bits=8";
        accepts(
            &[&format!("foo; bar=1, {impossible}, permessage-deflate; server_max_window_bits=15, permessage-deflate")],
            "; server_max_window_bits=15",
        );
        accepts(&[&format!("{impossible}, permessage-deflate, permessage-deflate; server_max_window_bits=9")], "");
        accepts(
            &["foo", impossible, "permessage-deflate; server_max_window_bits=12", "permessage-deflate"],
            "; server_max_window_bits=9",
        );
        accepts(&["permessage-deflate; a=\"b, permessage-deflate", "permessage-deflate"], "");
    }
}
