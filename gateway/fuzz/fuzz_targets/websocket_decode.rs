#![no_main]

#[path = "../checks/websocket_decode.rs"]
mod websocket_decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| websocket_decode::check(data));
