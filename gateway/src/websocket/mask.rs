/// Masks or unmasks a part of a payload in place; `offset` is how much of the payload came before (RFC 6455, 5.3).
///
/// Works on words of 8 bytes, which the compiler turns into wider ones.
pub(super) fn apply(data: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = data.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn any_length_and_offset_is_as_one_byte_after_the_other() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).collect();
        let expected: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for start in 0..40 {
            for end in start..plain.len() {
                let mut part = plain[start..end].to_vec();
                apply(&mut part, key, start);
                assert_eq!(part, expected[start..end]);
            }
        }
    }
}
