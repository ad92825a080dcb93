//! Waiting until memory has come to rest.

use std::collections::VecDeque;

/// Calls a figure settled when its last few samples lie close together.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    samples: VecDeque<u64>,
}

const SAMPLES: usize = 5;
/// Two pages of noise per sample, or a thousandth, whichever is more.
const SLACK_BYTES: u64 = 32 * 1024;

impl Settling {
    /// Adds a sample; true once the last few agree.
    pub(crate) fn add(&mut self, bytes: u64) -> bool {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(bytes);
        let (Some(low), Some(high)) = (self.samples.iter().min(), self.samples.iter().max()) else { return false };
        self.samples.len() == SAMPLES && high - low <= SLACK_BYTES.max(high / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_not_settled_and_rest_is() {
        let mut settling = Settling::default();
        let mib = 1 << 20;
        assert!((1..=10).all(|step| !settling.add(step * mib)));
        assert!((1..=3).all(|_| !settling.add(10 * mib + 4096)));
        assert!(settling.add(10 * mib));
    }
}
