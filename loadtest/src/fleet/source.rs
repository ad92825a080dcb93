//! What the operating system must grant before many sockets can be opened: descriptors and source addresses.

use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::Error;

/// Descriptors the tool needs beside its connections.
const SPARE: u64 = 64;

/// Raises the soft limit of descriptors to the hard one.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A refusal leaves the old limit, which ensure_descriptors then names.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Refuses a run that would hit the limit half-way.
pub(crate) fn ensure_descriptors(connections: usize) -> Result<(), Error> {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return Ok(()) };
    if connections as u64 + SPARE <= limit {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{connections} connections need more descriptors than the {limit} this process may open; \
         ask for at most {} or raise the limit (ulimit -Hn)",
        limit.saturating_sub(SPARE)
    )))
}

/// Opens sockets, from named source addresses if there are any.
#[derive(Debug)]
pub(crate) struct Sources {
    addresses: Vec<IpAddr>,
    opened: usize,
}

/// Explicit ports: the kernel's own search for a free one gets slow when many are taken.
const PORTS: std::ops::Range<u16> = 10_000..60_000;

impl Sources {
    /// Without addresses the kernel chooses.
    pub(crate) fn new(addresses: Vec<IpAddr>) -> Self {
        Self { addresses, opened: 0 }
    }

    /// Starts a connection without waiting for it.
    pub(crate) fn connect(&mut self, to: SocketAddr) -> std::io::Result<TcpStream> {
        if self.addresses.is_empty() {
            return TcpStream::connect(to);
        }
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        let mut tries = PORTS.len();
        loop {
            let (address, port) = self.next();
            match socket.bind(&SocketAddr::new(address, port).into()) {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && tries > 0 => tries -= 1,
                other => break other?,
            }
        }
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    fn next(&mut self) -> (IpAddr, u16) {
        let turn = self.opened;
        self.opened += 1;
        let address = self.addresses[turn % self.addresses.len()];
        (address, PORTS.start + (turn / self.addresses.len() % PORTS.len()) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_take_turns_before_ports_do() {
        let mut sources = Sources::new(vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into()]);
        let taken: Vec<_> = (0..3).map(|_| sources.next()).map(|(address, port)| format!("{address}:{port}")).collect();
        assert_eq!(taken, ["127.0.0.2:10000", "127.0.0.3:10000", "127.0.0.2:10001"]);
    }

    #[test]
    fn more_connections_than_descriptors_are_refused_at_once() {
        assert!(ensure_descriptors(10).is_ok());
        assert!(matches!(ensure_descriptors(usize::MAX / 2), Err(Error::Usage(_))));
    }
}
