//! The harness: gateways on free ports, in this process or as the built binary; a raw client that is not ours
//! (tungstenite), clients without a library that can break every rule, HTTP by hand, and a real Redis.

mod cable;
mod certificate;
mod client;
mod gateway;
mod handshake;
mod http;
mod lab;
mod member;
mod panics;
mod poller;
#[allow(dead_code, unreachable_pub, reason = "the library's own tests use more of it")]
#[path = "../../../src/store/testing.rs"]
mod postgres;
mod process;
mod provider;
mod raw;
mod recorder;
#[allow(dead_code, unreachable_pub, reason = "the library's own tests use more of it")]
#[path = "../../../src/redis/testing.rs"]
mod redis;
mod room;
pub(crate) mod supabase;
pub(crate) mod tokens;

pub(crate) use cable::Cable;
pub(crate) use certificate::Certificate;
pub(crate) use client::Client;
pub(crate) use gateway::{OpenSocket, TestGateway, relay_router};
pub(crate) use handshake::{Answer, Handshake, connect_from, metrics};
pub(crate) use http::{Response, request};
pub(crate) use lab::{Lab, ok, phx_close, phx_error, unmatched};
pub(crate) use member::Member;
pub(crate) use panics::panics;
pub(crate) use poller::Poller;
pub(crate) use postgres::PostgresServer;
pub(crate) use process::{KEY, Pod, Running, Scratch, run, run_with, until};
pub(crate) use provider::{Manner, Provider};
pub(crate) use raw::{RawFrame, RawSocket, frame};
pub(crate) use recorder::Recorder;
pub(crate) use redis::{RedisCluster, RedisSentinel, RedisServer};
pub(crate) use room::Room;
