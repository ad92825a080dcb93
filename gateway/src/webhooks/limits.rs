/// The longest answer that is read, in bytes.
pub(super) const MAX_ANSWER: usize = 256 * 1024;

/// The longest assigns in bytes: they are kept for each channel and sent along with each of its calls.
pub(super) const MAX_ASSIGNS: usize = 16 * 1024;

/// How many broadcasts, and how many pushes, one answer may bring.
pub(super) const MAX_SPOKEN: usize = 100;
