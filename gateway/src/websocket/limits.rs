/// How much one client may send at once; shared by all connections of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload in one data frame (`max_frame_size`).
    pub max_frame: usize,
    /// Bytes of payload in one message, all its fragments together.
    pub max_message: usize,
}
