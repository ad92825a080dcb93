//! Reading and writing JSON by hand where the serializer costs more than the text.

use serde_json::value::RawValue;

/// Whether the value is a string, which [`read_string`] reads.
pub(super) fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// The text of a JSON string. None: its escapes stand for no text.
pub(super) fn read_string(raw: &RawValue) -> Option<Box<str>> {
    let json = raw.get();
    // It was found to be JSON when it was cut out: without an escape its text stands between the quotes.
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.as_bytes().contains(&b'\\') => Some(text.into()),
        _ => serde_json::from_str(json).ok(),
    }
}

/// Appends a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Names rarely need escapes: the plain copy is several times cheaper than the serializer.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else if serde_json::to_writer(&mut *out, text).is_err() {
        unreachable!("a string always has a JSON form, and a Vec takes every byte")
    }
}
