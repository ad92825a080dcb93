use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::history::{Epoch, Position};
use crate::wire::Payload;

/// What a client asks for by the join param `recover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Recover {
    /// `true`: to be told where the topic is.
    Position,
    /// `{"epoch", "offset"}`: everything behind this position.
    From(Position),
}

/// The param is neither a boolean nor a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`recover` must be true or an object with `epoch` and `offset`")]
pub(in super::super) struct InvalidRecover;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    recover: Option<&'a RawValue>,
}

/// Other keys are ignored, so that a client can send back what it was told.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    offset: u64,
}

impl Recover {
    /// Reads it of the params of a join. Absent, `null` and `false` ask for nothing, and so do params that are no object.
    ///
    /// # Errors
    /// When it has another shape.
    pub(in super::super) fn read(params: &Payload) -> Result<Option<Self>, InvalidRecover> {
        let Payload::Json(json) = params else { return Ok(None) };
        if !params.is_object_or_binary() {
            return Ok(None);
        }
        let params: Params<'_> = serde_json::from_slice(json).map_err(|_| InvalidRecover)?;
        match params.recover.map(RawValue::get) {
            None | Some("false") => Ok(None),
            Some("true") => Ok(Some(Self::Position)),
            Some(object) if object.starts_with('{') => {
                let Named { epoch, offset } = serde_json::from_str(object).map_err(|_| InvalidRecover)?;
                Ok(Some(Self::From(Position { epoch: Epoch::from(&*epoch), offset })))
            }
            Some(_) => Err(InvalidRecover),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<Recover>, InvalidRecover> {
        Recover::read(&Payload::Json(json.to_owned().into()))
    }

    #[test]
    fn a_position_is_asked_for_or_named() {
        assert_eq!(read(r#"{"recover":true}"#), Ok(Some(Recover::Position)));
        let from = |epoch: &str, offset| Ok(Some(Recover::From(Position { epoch: Epoch::from(epoch), offset })));
        assert_eq!(read(r#"{"recover":{"epoch":"abc","offset":12}}"#), from("abc", 12));
        assert_eq!(read(r#"{"a":1,"recover":{"recovered":true,"offset":0,"epoch":"\u00e9"}}"#), from("é", 0));
        assert_eq!(read(r#"{"recover":{"epoch":"e","offset":18446744073709551615}}"#), from("e", u64::MAX));
    }

    #[test]
    fn nothing_is_asked_for_by_default() {
        for params in ["{}", r#"{"recover":null}"#, r#"{"recover":false}"#, "[true]", "true", "\"recover\"", "null"] {
            assert_eq!(read(params), Ok(None), "{params}");
        }
        assert_eq!(Recover::read(&Payload::Binary("x".into())), Ok(None));
    }

    #[test]
    fn other_shapes_are_refused() {
        for recover in [
            "1",
            "\"true\"",
            "[]",
            r#"["e",1]"#,
            "{}",
            r#"{"epoch":"e"}"#,
            r#"{"offset":1}"#,
            r#"{"epoch":1,"offset":1}"#,
            r#"{"epoch":"e","offset":-1}"#,
            r#"{"epoch":"e","offset":1.5}"#,
            r#"{"epoch":"e","offset":"1"}"#,
            r#"{"epoch":"e","offset":18446744073709551616}"#,
        ] {
            assert_eq!(read(&format!(r#"{{"recover":{recover}}}"#)), Err(InvalidRecover), "{recover}");
        }
        assert_eq!(read(r#"{"recover":true,"recover":false}"#), Err(InvalidRecover));
    }
}
