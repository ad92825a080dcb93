//! One subscriber connection, for as long as the process lives: connects, subscribes, reads, proves itself, and comes
//! back after each fall.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::channels::Channels;
use super::connection::{self, ConnectionError, Reader, Reply, Writer};
use super::listener::Listener;
use super::place::{Place, Work};
use super::proof::Proof;
use super::sent::{Expected, Sent};
use super::settings::Settings;
use super::status::Status;

/// How many channels one SUBSCRIBE names.
const BATCH: usize = 256;

const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// One subscriber connection.
pub(super) struct Link {
    /// As it stands in logs and in CLIENT LIST.
    name: String,
    settings: Settings,
    place: Box<dyn Place>,
    listener: Arc<dyn Listener>,
    channels: Mutex<Channels>,
    changed: Notify,
    doubted: AtomicBool,
    status: Status,
    retired: CancellationToken,
}

impl Link {
    pub(super) fn new(name: String, settings: Settings, place: Box<dyn Place>, listener: Arc<dyn Listener>) -> Self {
        Self {
            name,
            settings,
            place,
            listener,
            channels: Mutex::default(),
            changed: Notify::new(),
            doubted: AtomicBool::new(false),
            status: Status::new(),
            retired: CancellationToken::new(),
        }
    }

    /// Wants a channel. Whether it is received already; if not, the listener hears it.
    pub(super) fn subscribe(&self, channel: &str) -> bool {
        let live = self.channels.lock().want(channel);
        self.changed.notify_one();
        live
    }

    /// No longer wants a channel. Whether it was received.
    pub(super) fn unsubscribe(&self, channel: &str) -> bool {
        let was_live = self.channels.lock().unwant(channel);
        self.changed.notify_one();
        was_live
    }

    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// Something that should have come did not: the connection has to prove itself now.
    pub(super) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// The connection is not needed any more.
    pub(super) fn retire(&self) {
        self.retired.cancel();
    }

    /// Keeps the connection up until it is retired, or this is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        tokio::select! {
            () = self.retired.cancelled() => tracing::info!(link = self.name, "subscriber connection to Redis retired"),
            () = self.keep_up() => {}
        }
    }

    async fn keep_up(&self) {
        let mut delay = FIRST_DELAY;
        loop {
            // Whoever listens may panic: that must not end all subscriptions for good.
            let outcome = AssertUnwindSafe(self.session()).catch_unwind().await;
            let Err(error) = outcome.unwrap_or(Err(ConnectionError::Panicked));
            if self.status.outage().is_none() {
                tracing::warn!(link = self.name, %error, "subscriber connection to Redis fell");
                delay = FIRST_DELAY;
            } else if delay == FIRST_DELAY && !self.status.ever_up() {
                tracing::warn!(link = self.name, %error, "subscriber connection to Redis is not up yet");
            } else {
                tracing::debug!(link = self.name, %error, "subscriber connection to Redis failed again");
            }
            self.fall();
            let jittered = delay.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(jittered).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// One connection from its beginning to its end.
    async fn session(&self) -> Result<Infallible, ConnectionError> {
        let server = self.place.server().ok_or(ConnectionError::NoServer)?;
        let canary = self.place.canary().ok_or(ConnectionError::NoServer)?;
        let (mut reader, mut writer) = connection::open(&server, &self.settings.location, &self.name).await?;
        let Settings { heartbeat, patience, .. } = self.settings;
        let mut proof = Proof::new(Instant::now(), heartbeat, patience);
        let mut sent = Sent::default();
        // Replies keep the order of commands: the first PONG stands behind all confirmations (ruling 14).
        self.command(&mut writer, &mut sent, &[canary.as_str().into()], true);
        self.write_changes(&mut writer, &mut sent);
        ping(&mut writer, &mut sent);
        let mut released: Option<Work<bool>> = None;
        loop {
            let release = async {
                match &mut released {
                    Some(work) => work.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                reply = reader.next() => self.take(reply?, &mut reader, &mut proof, &mut sent, &canary)?,
                flushed = writer.flush(), if writer.has_output() => flushed?,
                () = self.changed.notified() => self.write_changes(&mut writer, &mut sent),
                accepted = release => {
                    released = None;
                    proof.canary_sent(accepted);
                }
                () = tokio::time::sleep_until(proof.due()) => {}
            }
            if self.doubted.swap(false, Ordering::Relaxed) {
                proof.hasten(Instant::now());
            }
            if proof.check(Instant::now())? {
                if self.place.server().is_some_and(|now| now != server) {
                    return Err(ConnectionError::Moved);
                }
                ping(&mut writer, &mut sent);
                released = Some(self.place.release(&canary));
            }
        }
    }

    /// Takes a reply and whatever else was read with it.
    fn take(
        &self,
        reply: Reply,
        reader: &mut Reader,
        proof: &mut Proof,
        sent: &mut Sent,
        canary: &str,
    ) -> Result<(), ConnectionError> {
        let mut next = Some(reply);
        while let Some(reply) = next {
            match reply {
                Reply::Message { channel, .. } if channel == canary => proof.canary_heard(),
                Reply::Message { channel, payload } => {
                    if let Ok(channel) = std::str::from_utf8(&channel) {
                        self.listener.message(channel, &payload);
                    }
                }
                Reply::Unsubscribed(channel) if channel == canary => return Err(ConnectionError::Moved),
                Reply::Subscribed(channel) => {
                    if let Ok(channel) = std::str::from_utf8(&channel) {
                        sent.subscribed(channel);
                        self.answered(channel);
                    }
                }
                Reply::Unsubscribed(channel) => {
                    if let Ok(channel) = std::str::from_utf8(&channel) {
                        sent.unsubscribed(channel);
                        self.answered(channel);
                    }
                }
                Reply::Error(error) => match sent.refused() {
                    Some(channel) if is_elsewhere(&error) && *channel != *canary => self.refused(&channel),
                    _ => return Err(ConnectionError::Refused(error)),
                },
                Reply::Pong => {
                    sent.ponged();
                    proof.ponged();
                    self.rise();
                }
                Reply::Other => {}
            }
            next = reader.buffered()?;
        }
        Ok(())
    }

    fn answered(&self, channel: &str) {
        let mut channels = self.channels.lock();
        if channels.is_unasked_end(channel) {
            channels.forget(channel);
            drop(channels);
            self.listener.interrupted(channel);
            self.listener.fallen();
            self.place.doubtful(Some(channel));
        } else if let Some(channel) = channels.answered(channel) {
            drop(channels);
            self.listener.subscribed(&channel);
        }
    }

    /// Another server owns the slot of the channel by now: it is placed anew, and the others go on.
    fn refused(&self, channel: &str) {
        tracing::debug!(link = self.name, channel, "a channel belongs elsewhere by now");
        if self.channels.lock().refused(channel) {
            self.place.doubtful(Some(channel));
        }
    }

    fn write_changes(&self, writer: &mut Writer, sent: &mut Sent) {
        let changes = self.channels.lock().take_changes();
        self.command(writer, sent, &changes.subscribe, true);
        self.command(writer, sent, &changes.unsubscribe, false);
    }

    /// Queues commands that name these channels.
    fn command(&self, writer: &mut Writer, sent: &mut Sent, channels: &[Arc<str>], subscribe: bool) {
        // All channels of one sharded command would have to share a slot.
        let (prefix, size) = if self.place.is_sharded() { ("S", 1) } else { ("", BATCH) };
        let command = format!("{prefix}{}", if subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" });
        for batch in channels.chunks(size) {
            let words: Vec<&str> = [&*command].into_iter().chain(batch.iter().map(|name| &**name)).collect();
            writer.command(words);
        }
        let expected = if subscribe { Expected::Subscribed } else { Expected::Unsubscribed };
        channels.iter().for_each(|channel| sent.push(expected(channel.clone())));
    }

    fn rise(&self) {
        let again = self.status.ever_up();
        if self.status.rise() {
            tracing::info!(link = self.name, again, "subscriber connection to Redis is up");
            self.listener.risen(again);
        }
    }

    fn fall(&self) {
        self.status.fall();
        let interrupted = self.channels.lock().fallen();
        for channel in &interrupted {
            self.listener.interrupted(channel);
        }
        self.listener.fallen();
        self.place.doubtful(None);
    }
}

fn ping(writer: &mut Writer, sent: &mut Sent) {
    writer.command(["PING"]);
    sent.push(Expected::Pong);
}

/// Whether an error says that a slot is not, or not now, at this server.
fn is_elsewhere(error: &str) -> bool {
    ["MOVED ", "CLUSTERDOWN ", "TRYAGAIN "].iter().any(|code| error.starts_with(code))
}

#[cfg(test)]
mod tests;
