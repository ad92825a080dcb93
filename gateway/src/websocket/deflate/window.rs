/// How far back a client can look while it inflates what this server sends.
///
/// Two sizes and not each that the RFC allows: connections with the same one share the bytes of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// 32 KiB, as most clients can.
    Full,
    /// 512 bytes, for a client that has less memory than that.
    Small,
}

impl Window {
    /// The base-2 logarithm of its size in bytes.
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::Full => 15,
            Self::Small => 9,
        }
    }

    /// The largest that a client can do which allows so many bits. None: fewer than the compressor can do. It has no
    /// window of 256 bytes, as zlib never had one for raw deflate.
    pub(super) fn within(bits: u8) -> Option<Self> {
        [Self::Full, Self::Small].into_iter().find(|window| window.bits() <= bits)
    }
}
