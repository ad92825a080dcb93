use bytes::Bytes;

/// Hears what subscriber connections report. No method waits.
pub trait Listener: Send + Sync {
    /// A message came.
    fn message(&self, channel: &str, payload: &Bytes);

    /// From now on no message of the channel is missed.
    fn subscribed(&self, channel: &str);

    /// Messages of the channel may be missed until it is `subscribed` again.
    fn interrupted(&self, channel: &str);

    /// Some channels are interrupted, all of which were reported.
    fn fallen(&self);

    /// A connection is up: all its channels were reported as subscribed. Whether it was up before.
    fn risen(&self, again: bool);
}
