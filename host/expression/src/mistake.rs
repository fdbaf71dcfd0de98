//! Mistakes in an expression, each with its place in the text.

use std::fmt;
use std::ops::Range;

/// Most mistakes that are told.
const MOST: usize = 20;
/// Longest line that is shown, in characters: of longer ones the part around the mistake.
const LONGEST_LINE: usize = 120;

/// Something that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

/// All mistakes of an expression. Shown, each has its line of the text with carets below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    text: String,
    /// In the order of their places.
    pub all: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(text: &str, mut all: Vec<Mistake>) -> Self {
        all.sort_by_key(|mistake| mistake.span.start);
        all.dedup();
        Self { text: text.to_owned(), all }
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.all.iter().take(MOST).enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            f.write_str(&mistake.message)?;
            write!(f, "\n{}", shown(&self.text, &mistake.span))?;
            if !mistake.remedy.is_empty() {
                write!(f, "\n  {}", mistake.remedy)?;
            }
        }
        match self.all.len().checked_sub(MOST) {
            Some(more) if more > 0 => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

/// The line with the mistake, and carets below it.
fn shown(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |place| place.saturating_add(1));
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let start = before.get(line_start..).unwrap_or_default().chars().count();
    let len = text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default().chars().count().max(1);
    // The part of a long line that has the mistake's beginning in it.
    let skipped = if line.chars().count() > LONGEST_LINE { start.saturating_sub(LONGEST_LINE / 2) } else { 0 };
    let part: String = line.chars().skip(skipped).take(LONGEST_LINE).map(printable).collect();
    let start = start.saturating_sub(skipped);
    let len = len.min(LONGEST_LINE.saturating_sub(start)).max(1);
    format!("  {}\n  {}{}", part.trim_end(), " ".repeat(start), "^".repeat(len))
}

/// A character that takes one place on a terminal, and does nothing to it.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Longest name that is compared with others, bytes: the time grows with the square.
const LONGEST_NAME: usize = 64;

/// Of these names one that is like the name.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let short = |name: &str| name.len() <= LONGEST_NAME;
    let near = known
        .filter(|other| short(name) && short(other))
        .map(|other| (strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase()), other));
    let best = near.min_by_key(|(distance, _)| *distance)?;
    let few = name.chars().count().div_ceil(3).min(2);
    (best.0 <= few && best.0 < name.chars().count()).then_some(best.1)
}
