//! Makes text from others safe to show: names and words of functions, peers, files and GDAL. The one place that decides what a
//! terminal, a page or a reader must not be given as it is.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a terminal or viewer acts on the character instead of showing it: control characters, changes of text direction, and
/// what has no width, by which two names can look like one.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` with all such characters spelt out, line ends too.
pub fn line(text: &str) -> Cow<'_, str> {
    spelt(text, |c| is_obeyed(c).then(|| c.escape_default().to_string()))
}

/// `text` with all such characters spelt out, but for line ends and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    spelt(text, |c| (is_obeyed(c) && c != '\n' && c != '\t').then(|| c.escape_default().to_string()))
}

/// A JSON text with all such characters as JSON's own escapes: it says the same to a program, and nothing to a terminal.
pub fn json(text: &str) -> Cow<'_, str> {
    // In JSON, what is below is between the values, or spelt out already.
    spelt(text, |c| {
        (is_obeyed(c) && c >= '\u{7f}').then(|| {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().fold(String::new(), |mut escape, unit| {
                // Writing to a String can't fail.
                let _ = write!(escape, "\\u{unit:04x}");
                escape
            })
        })
    })
}

/// `text` with some characters replaced.
fn spelt(text: &str, replace: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut spelt, c| {
        match replace(c) {
            Some(replaced) => spelt.push_str(&replaced),
            None => spelt.push(c),
        }
        spelt
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind: C0, DEL, C1 (CSI), bidi marks, embeddings, isolates, separators, zero width, tags.
    const HOSTILE: &str =
        "a\u{1b}[2J\u{7}\u{7f}\u{9b}\u{61c}\u{200b}\u{200e}\u{202e}\u{2028}\u{2066}\u{2069}\u{feff}\u{e0041}b";

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["Größe: 3 µm", "日本", "🛰", r"C:\x"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
            assert_eq!((lines(text), json(text)), (text.into(), text.into()));
        }
        assert_eq!((lines("a\n\tb"), line("a\n\tb")), ("a\n\tb".into(), r"a\n\tb".into()));
    }

    #[test]
    fn what_is_obeyed_is_spelt_out() {
        let spelt =
            r"a\u{1b}[2J\u{7}\u{7f}\u{9b}\u{61c}\u{200b}\u{200e}\u{202e}\u{2028}\u{2066}\u{2069}\u{feff}\u{e0041}b";
        assert_eq!((line(HOSTILE), lines(HOSTILE)), (spelt.into(), spelt.into()));
        assert_eq!(lines("a\rb"), r"a\rb", "a terminal would write over the line");
        assert!(!line(HOSTILE).chars().any(is_obeyed) && line(&line(HOSTILE)) == line(HOSTILE), "twice is once");
    }

    #[test]
    fn json_says_the_same_and_nothing_to_a_terminal() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1] });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let safe = json(&text);
            assert!(!safe.chars().any(|c| is_obeyed(c) && c != '\n'), "{safe}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }
    }
}
