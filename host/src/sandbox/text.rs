//! Makes a guest's bytes safe to show: bounded, UTF-8, nothing that a terminal obeys.

/// `bytes` as text of about `limit` bytes at most: invalid UTF-8 replaced, control characters escaped, an ellipsis where
/// it was cut.
pub(super) fn sanitise(bytes: &[u8], limit: usize) -> String {
    let (kept, cut) = match bytes.get(..limit) {
        Some(kept) if bytes.len() > limit => (kept, true),
        _ => (bytes, false),
    };
    let mut text = crate::text::line(&String::from_utf8_lossy(kept)).into_owned();
    if cut {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays() {
        assert_eq!(sanitise("Größe: 3 µm".as_bytes(), 100), "Größe: 3 µm");
    }

    #[test]
    fn escape_codes_and_line_ends_are_spelt_out() {
        assert_eq!(sanitise(b"\x1b[2Jdone\r\n", 100), r"\u{1b}[2Jdone\r\n");
        assert_eq!(sanitise("a\u{202e}b\u{85}".as_bytes(), 100), r"a\u{202e}b\u{85}");
    }

    #[test]
    fn invalid_utf8_and_length() {
        assert_eq!(sanitise(b"a\xffb", 100), "a\u{fffd}b");
        assert_eq!(sanitise(b"abcdef", 4), "abcd…");
        assert_eq!(sanitise("aé".as_bytes(), 2), "a\u{fffd}…");
        assert_eq!(sanitise(b"abcd", 4), "abcd");
    }
}
