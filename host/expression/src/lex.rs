//! The words of an expression.

use crate::mistake::Mistake;
use std::ops::Range;

#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    Number(f64, Option<i64>),
    Name(String),
    /// An operator, a parenthesis, a comma, `=`.
    Symbol(&'static str),
    /// The end of a statement: a line's end or `;`.
    Break,
}

pub type Placed = (Word, Range<usize>);

/// Longer ones first.
const SYMBOLS: [&str; 30] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "<>", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<",
    ">", "(", ")", "[", "]", ",", "=", "!", "?",
];

/// Cuts a text into words. Comments go from `#` to the end of the line.
pub fn words(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Placed> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (word, len) = if first == '\n' || first == ';' {
            (Some(Word::Break), 1)
        } else if first.is_whitespace() {
            (None, first.len_utf8())
        } else if first == '#' {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if first.is_ascii_digit() || first == '.' && rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
            number(rest, at, mistakes)
        } else if first.is_ascii_alphabetic() || first == '_' {
            name(rest)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Some(Word::Symbol(symbol)), symbol.len())
        } else {
            let message = format!("{:?} has no meaning here", first);
            mistakes.push(Mistake { span: at..at.saturating_add(first.len_utf8()), message, remedy: String::new() });
            (None, first.len_utf8())
        };
        let end = at.saturating_add(len.max(1));
        words.extend(word.map(|word| (word, at..end)));
        at = end;
    }
    words
}

/// A name, from which numpy's own is taken: `np.where` is `where`.
fn name(rest: &str) -> (Option<Word>, usize) {
    let end_of = |from: usize| {
        let part = rest.get(from..).unwrap_or_default();
        let len = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
        from.saturating_add(len)
    };
    let mut end = end_of(0);
    let mut name = rest.get(..end).unwrap_or_default();
    if (name == "np" || name == "numpy") && rest.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        let from = end.saturating_add(1);
        end = end_of(from);
        name = rest.get(from..end).unwrap_or_default();
    }
    (Some(Word::Name(name.to_owned())), end)
}

fn number(rest: &str, at: usize, mistakes: &mut Vec<Mistake>) -> (Option<Word>, usize) {
    let bytes = rest.as_bytes();
    let is = |index: usize, test: fn(&u8) -> bool| bytes.get(index).is_some_and(test);
    let radix = match bytes {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'b' | b'B', ..] => 2,
        [b'0', b'o' | b'O', ..] => 8,
        _ => 10,
    };
    // Letters too: `2x` is one wrong number, not a number and a name.
    let mut end = 0;
    while is(end, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        || radix == 10
            && is(end, |b| matches!(b, b'+' | b'-'))
            && end.checked_sub(1).is_some_and(|before| is(before, |b| matches!(b, b'e' | b'E')))
            && end.checked_sub(2).is_some_and(|before| is(before, |b| b.is_ascii_digit() || *b == b'.'))
    {
        end = end.saturating_add(1);
    }
    let written = rest.get(..end).unwrap_or_default();
    let digits = written.replace('_', "");
    let whole = match radix {
        10 => digits.parse::<i64>().ok(),
        radix => digits.get(2..).and_then(|digits| i64::from_str_radix(digits, radix).ok()),
    };
    #[expect(clippy::cast_precision_loss, reason = "the integer is there too, for those who need it exactly")]
    let value = match whole {
        Some(whole) => Some(whole as f64),
        None if radix == 10 => digits.parse::<f64>().ok().filter(|value| value.is_finite()),
        None => None,
    };
    let word = value.map(|value| Word::Number(value, whole));
    if word.is_none() {
        let is_whole = radix != 10
            && digits.get(2..).is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)));
        let is_float = digits.parse::<f64>().is_ok();
        let (message, remedy) = if is_whole {
            (format!("{written} is too large"), "whole numbers end at 2⁶³ − 1")
        } else if is_float {
            (format!("{written} is too large"), "write inf")
        } else {
            (format!("{written} is no number"), "")
        };
        mistakes.push(Mistake { span: at..at.saturating_add(end), message, remedy: remedy.to_owned() });
    }
    // Something stands in for it, so that what follows is still understood.
    (word.or(Some(Word::Number(1.0, Some(1)))), end)
}
