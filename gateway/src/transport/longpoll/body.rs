use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use thiserror::Error;

use crate::wire::Opcode;

/// How many frames of one body are taken; the rest is dropped in silence, as Phoenix does.
const MAX_LINES: usize = 100;

/// How many of the largest frames a body may hold. phoenix.js sends up to 100 lines at once, most of them small.
const MAX_FRAMES: usize = 4;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

/// One frame of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) data: Bytes,
}

/// Why a body cannot be taken. Nothing of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BadBody {
    #[error("the body did not come in time, or was cut")]
    Unreadable,
    #[error("the body is too large")]
    TooLarge,
    #[error("a frame is too large")]
    FrameTooLarge,
    #[error("a line is neither JSON nor base64")]
    Encoding,
}

/// Reads a whole body.
pub(super) async fn read(body: Body, max_frame: usize, patience: Duration) -> Result<Bytes, BadBody> {
    let limited = Limited::new(body, max_frame.saturating_mul(MAX_FRAMES)).collect();
    match tokio::time::timeout(patience, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BadBody::TooLarge),
        Ok(Err(_)) | Err(_) => Err(BadBody::Unreadable),
    }
}

/// Whether each line of the body is a frame.
pub(super) fn has_lines(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-ndjson")
}

/// The frames of a body: one on each line, text as it is and binary in base64; or the body is one of text.
pub(super) fn frames(body: &Bytes, lines: bool, max_frame: usize) -> Result<VecDeque<Frame>, BadBody> {
    let frames = if lines {
        let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        lines.take(MAX_LINES).map(|line| line_frame(body, line)).collect::<Result<VecDeque<_>, _>>()?
    } else {
        VecDeque::from([Frame { opcode: Opcode::Text, data: body.clone() }])
    };
    if frames.iter().any(|frame| frame.data.len() > max_frame) { Err(BadBody::FrameTooLarge) } else { Ok(frames) }
}

fn line_frame(body: &Bytes, line: &[u8]) -> Result<Frame, BadBody> {
    // Base64 has neither bracket.
    if line.starts_with(b"[") || line.starts_with(b"{") {
        return Ok(Frame { opcode: Opcode::Text, data: body.slice_ref(line) });
    }
    let data = BASE64.decode(line).map_err(|_| BadBody::Encoding)?;
    Ok(Frame { opcode: Opcode::Binary, data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(body: &str) -> Result<Vec<Frame>, BadBody> {
        frames(&Bytes::copy_from_slice(body.as_bytes()), true, 1000).map(Into::into)
    }

    fn text(text: &str) -> Frame {
        Frame { opcode: Opcode::Text, data: Bytes::copy_from_slice(text.as_bytes()) }
    }

    #[test]
    fn lines_are_text_or_base64() {
        let binary = Frame { opcode: Opcode::Binary, data: Bytes::from_static(&[0, 1, 2, 255]) };
        for body in ["[1]\nAAEC/w==\n[2]", "[1]\r\nAAEC/w==\r\n[2]\r\n", "\n[1]\n\nAAEC/w\n[2]\n\n"] {
            assert_eq!(read_lines(body), Ok(vec![text("[1]"), binary.clone(), text("[2]")]), "{body:?}");
        }
        assert_eq!(read_lines(""), Ok(vec![]));
        assert_eq!(read_lines("[1]\nno base64!"), Err(BadBody::Encoding));
    }

    #[test]
    fn row_217_of_many_lines_the_first_hundred_are_taken() {
        let body: Vec<String> = (0..101).map(|number| format!("[{number}]")).collect();
        let taken = read_lines(&body.join("\n")).unwrap();
        assert_eq!((taken.len(), &taken[99]), (100, &text("[99]")));
    }

    #[test]
    fn a_body_of_another_kind_is_one_frame() {
        let body = Bytes::from_static(b"{\"topic\":\n1}");
        assert_eq!(frames(&body, false, 100).unwrap(), [Frame { opcode: Opcode::Text, data: body.clone() }]);
        assert_eq!(frames(&body, false, 5), Err(BadBody::FrameTooLarge));
        assert_eq!(frames(&Bytes::from_static(b"[1]\n[2,3,4]"), true, 5), Err(BadBody::FrameTooLarge));
    }

    #[test]
    fn the_content_type_is_read_leniently() {
        let lines = |kind: &str| has_lines(&HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]));
        assert!(lines("application/x-ndjson") && lines("Application/X-NDJSON; charset=utf-8"));
        assert!(!lines("application/json") && !lines("") && !has_lines(&HeaderMap::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_size_and_its_time() {
        let patience = Duration::from_secs(1);
        assert_eq!(read(Body::from("12345678"), 2, patience).await, Ok(Bytes::from_static(b"12345678")));
        assert_eq!(read(Body::from("123456789"), 2, patience).await, Err(BadBody::TooLarge));
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        assert_eq!(read(Body::from_stream(never), 2, patience).await, Err(BadBody::Unreadable));
    }
}
