//! Makes a guest's bytes safe to show: bounded, UTF-8, nothing that a terminal obeys.

use std::fmt::Write;
/// `bytes` as text of about `limit` bytes at most: invalid UTF-8 replaced, control characters escaped, an ellipsis where
/// it was cut.
pub(super) fn sanitise(bytes: &[u8], limit: usize) -> String {
    let (kept, cut) = match bytes.get(..limit) {
        Some(kept) if bytes.len() > limit => (kept, true),
        _ => (bytes, false),
    };
    let mut text = types::text::line(&String::from_utf8_lossy(kept)).into_owned();
    if cut {
        text.push('…');
    }
    text
}

/// A function's name as its author wrote it: demangled, without the hash, and bounded.
pub(super) fn function_name(name: &str) -> String {
    /// Longest name shown, in bytes.
    const SHOWN: usize = 300;
    /// A longer one isn't demangled: what one stands for can be far longer than itself.
    const MANGLED: usize = 4 << 10;
    if name.len() > MANGLED {
        return sanitise(name.as_bytes(), SHOWN);
    }
    let mut text = Bounded { text: String::new(), left: 4 * SHOWN };
    // `{:#}` leaves out the hash. Names that aren't mangled stay as they are. An error is a full text.
    let _ = write!(text, "{:#}", rustc_demangle::demangle(name));
    sanitise(text.text.as_bytes(), SHOWN)
}

/// A text that takes so many bytes.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(std::fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
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
