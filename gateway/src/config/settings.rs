use super::api::Api;
use super::auth::Auth;
use super::channel::Channel;
use super::database::Database;
use super::drain::Drain;
use super::limits::Limits;
use super::listen::Listen;
use super::log::Log;
use super::presence::Presence;
use super::print::Printer;
use super::rebalance::Rebalance;
use super::redis::Redis;
use super::socket::Socket;

/// All settings of one gateway, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[redis]`
    pub redis: Redis,
    /// `[database]`
    pub database: Database,
    /// `[socket]`
    pub socket: Socket,
    /// `[[mount]]`: further sockets beside `socket`.
    pub mounts: Vec<Socket>,
    /// `[auth]`, if the configuration has it: without it nobody needs a token.
    pub auth: Option<Auth>,
    /// `[limits]`
    pub limits: Limits,
    /// `[presence]`
    pub presence: Presence,
    /// `[drain]`
    pub drain: Drain,
    /// `[rebalance]`
    pub rebalance: Rebalance,
    /// `[api]`
    pub api: Api,
    /// `[log]`
    pub log: Log,
    /// `[[channel]]`, in the order of the file: the first match wins.
    pub channels: Vec<Channel>,
}

impl Config {
    /// `[socket]` and all mounts.
    pub fn sockets(&self) -> impl Iterator<Item = &Socket> {
        std::iter::once(&self.socket).chain(&self.mounts)
    }

    /// The settings in effect as TOML for people: secrets are `***`, or the reference they were given as. It loads
    /// again once the secrets are put back.
    pub fn redacted_toml(&self) -> String {
        let mut out = Printer::default();
        self.listen.print(&mut out);
        self.redis.print(&mut out);
        self.database.print(&mut out);
        self.socket.print("[socket]", &mut out);
        self.mounts.iter().for_each(|mount| mount.print("[[mount]]", &mut out));
        match &self.auth {
            Some(auth) => auth.print(&mut out),
            None => Auth::print_absent(&mut out),
        }
        self.limits.print(&mut out);
        self.presence.print(&mut out);
        self.drain.print(&mut out);
        self.rebalance.print(&mut out);
        self.api.print(&mut out);
        self.log.print(&mut out);
        self.channels.iter().for_each(|channel| channel.print(&mut out));
        out.finish()
    }
}
