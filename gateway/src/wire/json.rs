//! Writing JSON by hand where the serializer costs more than the text.

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
