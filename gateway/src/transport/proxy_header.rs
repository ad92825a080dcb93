//! The PROXY protocol, versions 1 and 2: what a proxy of TCP connections puts before the client's first byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE_2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const LONGEST_1: usize = 107;
/// Addresses and what else a proxy has to say: no proxy in use sends more.
const LONGEST_2: usize = 2048;

/// Why there is no usable header.
#[derive(Debug, Error)]
pub(super) enum ProxyHeaderError {
    #[error("the connection does not begin with a PROXY header")]
    Absent,
    #[error("the PROXY header is malformed")]
    Malformed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the header and nothing beyond it. The client's address, or none if the proxy speaks for itself (a health check)
/// or does not know it.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<IpAddr>, ProxyHeaderError> {
    // Both versions are at least so long, and differ here.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == *SIGNATURE_2 {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if length > LONGEST_2 {
            return Err(ProxyHeaderError::Malformed);
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        return version_2(head[0], head[1], &rest);
    }
    if !start.starts_with(b"PROXY ") {
        return Err(ProxyHeaderError::Absent);
    }
    let mut line = start.to_vec();
    // Its length is not known before its end, and what follows is the client's.
    while !line.ends_with(b"\r\n") {
        if line.len() >= LONGEST_1 {
            return Err(ProxyHeaderError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    version_1(&line[..line.len() - 2])
}

/// `PROXY TCP4 192.0.2.1 10.0.0.1 4711 4000`, or `PROXY UNKNOWN …`.
fn version_1(line: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let line = std::str::from_utf8(line).map_err(|_| ProxyHeaderError::Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words[..] {
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", "TCP4", client, _, _, _] => client.parse().map(IpAddr::V4),
        ["PROXY", "TCP6", client, _, _, _] => client.parse().map(IpAddr::V6),
        _ => return Err(ProxyHeaderError::Malformed),
    };
    client.map(Some).map_err(|_| ProxyHeaderError::Malformed)
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
    match command {
        // LOCAL: the proxy itself.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyHeaderError::Malformed),
    }
    match family >> 4 {
        1 => match (rest.first_chunk::<4>(), rest.len() >= 12) {
            (Some(client), true) => Ok(Some(IpAddr::V4(Ipv4Addr::from(*client)))),
            _ => Err(ProxyHeaderError::Malformed),
        },
        2 => match (rest.first_chunk::<16>(), rest.len() >= 36) {
            (Some(client), true) => Ok(Some(IpAddr::V6(Ipv6Addr::from(*client)))),
            _ => Err(ProxyHeaderError::Malformed),
        },
        // UNSPEC, or a UNIX socket.
        0 | 3 => Ok(None),
        _ => Err(ProxyHeaderError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's address, and what is left to read.
    async fn read_all(bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), ProxyHeaderError> {
        let mut rest = bytes;
        let client = read(&mut rest).await?;
        Ok((client.map(|client| client.to_string()), rest.to_vec()))
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE_2, &[command, family][..], &length, body, b"GET /"].concat()
    }

    #[tokio::test]
    async fn a_header_tells_the_client_and_nothing_beyond_it_is_read() {
        let v4 = [&[192, 0, 2, 1][..], &[10, 0, 0, 1], &[0, 80, 15, 160]].concat();
        let mut v6 = Ipv6Addr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]).octets().to_vec();
        v6.resize(36, 0);
        let with_more = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
        for (bytes, client) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 4000\r\nGET /".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 4000\r\nGET /".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\nGET /".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nGET /".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("192.0.2.1")),
            (v2(0x21, 0x11, &with_more), Some("192.0.2.1")),
            (v2(0x21, 0x21, &v6), Some("2001:db8::1")),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x21, 0x00, &[]), None),
        ] {
            let (found, rest) = read_all(&bytes).await.unwrap();
            assert_eq!(found.as_deref(), client, "{bytes:?}");
            assert_eq!(rest, b"GET /", "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_an_error() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        for bytes in [
            b"GET /socket/websocket HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 4711 4000\r\n".to_vec(),
            b"PROXY TCP5 192.0.2.1 10.0.0.1 4711 4000\r\n".to_vec(),
            b"PROXY \xff\xfe\xfd\xfc\xfb\xfa\r\n".to_vec(),
            long,
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x21, &[0; 12]),
            v2(0x21, 0x71, &[0; 36]),
            v2(0x21, 0x11, &vec![0; LONGEST_2 + 1]),
            b"PROXY".to_vec(),
            SIGNATURE_2.to_vec(),
            Vec::new(),
        ] {
            assert!(read_all(&bytes).await.is_err(), "{bytes:?}");
        }
    }
}
