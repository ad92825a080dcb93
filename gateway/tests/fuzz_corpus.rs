//! The checks of the fuzz targets, run over their committed seeds: `cargo test` covers them without a fuzzer.

use std::path::Path;
use std::{fs, io};

#[path = "../fuzz/checks/websocket_decode.rs"]
mod websocket_decode;
#[path = "../fuzz/checks/wire_decode.rs"]
mod wire_decode;

fn each_seed(target: &str, check: fn(&[u8])) -> io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&seeds)? {
        let data = fs::read(entry?.path())?;
        check(&data);
        // Cut short and with a bit changed, a good seed becomes many bad ones.
        for len in 0..data.len().min(300) {
            check(&data[..len]);
            let mut changed = data.clone();
            changed[len] ^= 1 << (len % 8);
            check(&changed);
        }
        count += 1;
    }
    assert!(count >= 10, "the seeds of {target} are missing");
    Ok(())
}

#[test]
fn websocket_seeds_decode_the_same_however_they_are_cut() -> io::Result<()> {
    each_seed("websocket_decode", websocket_decode::check)
}

#[test]
fn wire_seeds_never_panic_and_can_be_answered() -> io::Result<()> {
    each_seed("wire_decode", wire_decode::check)
}
