use std::path::Path;

use super::api::Api;
use super::auth::Auth;
use super::channel::Channel;
use super::database::Database;
use super::drain::Drain;
use super::environment::Environment;
use super::error::ConfigError;
use super::file;
use super::limits::Limits;
use super::listen::Listen;
use super::log::Log;
use super::mode::{Flags, Mode};
use super::presence::Presence;
use super::rebalance::Rebalance;
use super::redis::Redis;
use super::settings::Config;
use super::socket::Socket;
use super::sources::Sources;
use super::validate::validate;

impl Config {
    /// Loads and checks all settings: defaults, then `file`, then `environment`, then `flags`.
    ///
    /// # Errors
    /// The first problem that was found, with the place to change. Nothing was opened or started.
    pub fn load(
        mode: Mode,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let mut sources = Sources::new();
        match file {
            Some(path) => file::read(path, &mut sources)?,
            None if mode == Mode::Serve => return Err(ConfigError::NoFile),
            None => {}
        }
        Self::merge(mode, sources, &environment.into_iter().collect(), flags)
    }

    /// As [`Config::load`], with the text of a file in place of the file. For tests and for programs on the library.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(mode: Mode, text: &str) -> Result<Self, ConfigError> {
        let mut sources = Sources::new();
        file::parse(Path::new("gateway.toml"), text, &mut sources)?;
        Self::merge(mode, sources, &Environment::default(), &Flags::default())
    }

    /// The settings of `gateway dev` without a file: one node on loopback, no Redis. For programs on the library.
    pub fn embedded() -> Self {
        match Self::from_toml(Mode::Dev, "") {
            Ok(config) => config,
            Err(error) => unreachable!("the defaults are refused: {error}"),
        }
    }

    pub(super) fn merge(
        mode: Mode,
        mut sources: Sources,
        environment: &Environment,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        sources.add_environment(environment)?;
        sources.add_flags(flags);
        let socket = Socket::read(sources.section("socket"), None)?;
        let mounts = sources.mounts.iter().map(|section| Socket::read(section, Some(&socket)));
        let mounts = mounts.collect::<Result<_, _>>()?;
        let channels = sources.channels.iter().map(|section| Channel::read(section, environment));
        let mut channels = channels.collect::<Result<Vec<_>, _>>()?;
        if channels.is_empty() && mode == Mode::Dev {
            channels.push(Channel::open_to_all());
        }
        let auth_keys = std::mem::take(&mut sources.auth_keys);
        let config = Self {
            listen: Listen::read(sources.section("listen"), mode)?,
            redis: Redis::read(sources.section("redis"), environment)?,
            database: Database::read(sources.section("database"), environment)?,
            socket,
            mounts,
            auth: Auth::read(sources.section("auth"), &auth_keys, environment)?,
            limits: Limits::read(sources.section("limits"))?,
            presence: Presence::read(sources.section("presence"))?,
            drain: Drain::read(sources.section("drain"), mode)?,
            rebalance: Rebalance::read(sources.section("rebalance"))?,
            api: Api::read(sources.section("api"), environment)?,
            log: Log::read(sources.section("log"))?,
            channels,
        };
        validate(&config, mode)?;
        Ok(config)
    }
}
