use super::{UnsupportedVsn, Vsn};

/// Rows 6, 7, 8, 9, 10, 11 (through the handshake in `tests/it/handshake_version.rs`).
#[test]
fn patch_levels_of_1_0_and_2_0_are_handled_and_nothing_else() {
    for (vsn, expected) in [
        (None, Ok(Vsn::V1)),
        (Some("1.0.0"), Ok(Vsn::V1)),
        (Some("1.0.7"), Ok(Vsn::V1)),
        (Some("2.0.0"), Ok(Vsn::V2)),
        (Some("2.0.9"), Ok(Vsn::V2)),
        (Some("123.1.1"), Err(UnsupportedVsn)),
        (Some("2.0"), Err(UnsupportedVsn)),
        (Some("2"), Err(UnsupportedVsn)),
        (Some(""), Err(UnsupportedVsn)),
        (Some("abc"), Err(UnsupportedVsn)),
        (Some("2.1.0"), Err(UnsupportedVsn)),
        (Some("1.1.0"), Err(UnsupportedVsn)),
        (Some("3.0.0"), Err(UnsupportedVsn)),
        (Some("2.0.0-rc.1"), Err(UnsupportedVsn)),
        (Some(" 2.0.0"), Err(UnsupportedVsn)),
        (Some("2.0.0.0"), Err(UnsupportedVsn)),
        (Some("99999999999999999999.0.0"), Err(UnsupportedVsn)),
    ] {
        assert_eq!(Vsn::negotiate(vsn), expected, "{vsn:?}");
    }
}
