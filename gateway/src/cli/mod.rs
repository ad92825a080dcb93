//! The commands: they parse, build, wait for a signal, and choose the exit code. Nothing else happens here.

mod api_client;
mod args;
mod check;
mod doctor;
mod exit;
mod join;
mod members;
mod migrate;
mod presence;
mod process;
mod publish;
mod run;
mod serve;
mod tail;
mod token;
mod watchdog;

pub use args::{
    ApiArgs, Args, Command, DoctorArgs, GlobalArgs, JoinArgs, MembersArgs, MembersCommand, MigrateArgs, PublishArgs,
    ServeArgs, TokenArgs, TopicArgs,
};
pub use run::run;
