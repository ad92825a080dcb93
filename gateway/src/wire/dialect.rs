/// How the clients of a connection use Phoenix frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As Phoenix itself does.
    #[default]
    Phoenix,
    /// As Supabase Realtime does (protocol 8): binary frames of kinds 3 and 4, private topics beside public ones of the same
    /// name.
    Supabase,
}
