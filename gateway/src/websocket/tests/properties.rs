use proptest::prelude::*;

use super::client::{ROOMY, decode, decode_reads};
use super::streams::{cut, damaged, good, reads};
use crate::websocket::Limits;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_a_client_says_is_what_is_heard((bytes, events) in good(), sizes in reads()) {
        prop_assert_eq!(decode_reads(cut(&bytes, &sizes), &ROOMY), (events, None));
    }

    #[test]
    fn reads_make_no_difference(bytes in damaged(), sizes in reads()) {
        prop_assert_eq!(decode_reads(cut(&bytes, &sizes), &ROOMY), decode(&bytes));
    }

    #[test]
    fn reads_make_no_difference_to_limits(bytes in damaged(), sizes in reads(), max_frame in 0..200_usize, more in 0..200) {
        let limits = Limits { max_frame, max_message: max_frame + more as usize };
        prop_assert_eq!(decode_reads(cut(&bytes, &sizes), &limits), decode_reads([&bytes[..]], &limits));
    }
}
