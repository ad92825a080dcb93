//! WebSocket frames that are wrong: their sender is closed with the code of the protocol, and nobody else notices.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Answer, RawFrame, RawSocket, Room, frame};

const V2: &str = "/socket/websocket?vsn=2.0.0";

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

#[tokio::test]
async fn a_frame_of_10_mb_is_closed_with_1009_while_it_is_still_being_sent() {
    let mut room = Room::new().await;
    for kind in [TEXT, BINARY] {
        let whole = frame(kind, &vec![b' '; 10_000_000]);
        let RawSocket { mut writer, mut reader } = room.attacker(V2).await;
        writer.send(&whole[..100]).await.unwrap();
        // The size says enough.
        assert_eq!(reader.next().await, RawFrame::Close(Some(1009)));
        // A client that does not look before it has sent everything finds the close frame, too, and no reset.
        let RawSocket { mut writer, mut reader } = room.attacker(V2).await;
        writer.send(&whole).await.unwrap();
        assert_eq!(reader.next().await, RawFrame::Close(Some(1009)));
        room.is_unharmed().await;
    }
    // In fragments, none of which is too large.
    let RawSocket { mut writer, mut reader } = room.attacker(V2).await;
    let part = vec![b' '; 200_000];
    writer
        .send(&[frame(0x01, &part), frame(0x00, &part), frame(0x00, &part), frame(0x80, &part)].concat())
        .await
        .unwrap();
    assert_eq!(reader.next().await, RawFrame::Close(Some(1009)));
    drop((reader, writer));
    room.ends_unharmed().await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let mut room = Room::new().await;
    for bad in [&b"\xff"[..], b"[\"\xc3\x28\"]", b"\xed\xa0\x80", b"[\"1\",\"2\",\"room:a\",\"say\",\"\xf0\x9f\x98"] {
        let mut attacker = room.attacker(V2).await;
        attacker.send(&frame(TEXT, bad)).await;
        assert_eq!(attacker.closed().await, Some(1007), "{bad:?}");
        room.is_unharmed().await;
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn violations_of_the_websocket_protocol_are_closed_with_1002() {
    let mut room = Room::new().await;
    let unmasked = b"\x81\x02hi".to_vec();
    for (what, bytes) in [
        ("unmasked", unmasked),
        ("reserved bit", frame(0xc1, b"[]")),
        ("opcode 3", frame(0x83, b"")),
        ("opcode 11", frame(0x8b, b"")),
        ("nothing to continue", frame(0x80, b"x")),
        ("a message inside another", [frame(0x01, b"["), frame(TEXT, b"]")].concat()),
        ("a ping of 126 bytes", frame(0x89, &[0; 126])),
        ("half a ping", frame(0x09, b"")),
        ("a close of one byte", frame(0x88, b"x")),
        ("a close with a code that may not be sent", frame(0x88, &1005_u16.to_be_bytes())),
        ("a size of 64 bits with the highest set", [&[BINARY, 0xff][..], &[0xff; 12]].concat()),
    ] {
        let mut attacker = room.attacker(V2).await;
        attacker.send(&bytes).await;
        assert_eq!(attacker.closed().await, Some(1002), "{what}");
        room.is_unharmed().await;
    }
    room.ends_unharmed().await;
}

#[tokio::test]
async fn fragments_without_bytes_are_closed_with_1008_after_the_16th() {
    let room = Room::new().await;
    let mut attacker = room.attacker(V2).await;
    let empty = frame(0x00, b"").repeat(16);
    attacker.send(&[frame(0x01, b"[null,\"1\","), empty, frame(0x80, b"\"phoenix\",\"heartbeat\",{}]")].concat()).await;
    assert!(matches!(attacker.next().await, RawFrame::Text(text) if text.contains("phx_reply")));
    attacker.send(&[frame(0x01, b"["), frame(0x00, b"").repeat(17)].concat()).await;
    assert_eq!(attacker.closed().await, Some(1008));
    drop(attacker);
    room.ends_unharmed().await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_nothing_behind() {
    let room = Room::new().await;
    for _ in 0..20 {
        let mut attacker = room.attacker(V2).await;
        attacker.send(&frame(TEXT, br#"["1","1","room:1","phx_join",{}]"#)).await;
        assert!(matches!(attacker.next().await, RawFrame::Text(_)));
        attacker.send(&frame(TEXT, b"[\"never finished")[..8]).await;
        drop(attacker);
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        stream.write_all(b"GET /socket/websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n").await.unwrap();
        drop(stream);
        // Gone while the handshake is answered.
        let mut stream = TcpStream::connect(room.gateway.public()).await.unwrap();
        stream.write_all(b"GET /socket/websocket HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_eq!(Answer::read(&mut stream).await.status, 400);
    }
    room.ends_unharmed().await;
}
