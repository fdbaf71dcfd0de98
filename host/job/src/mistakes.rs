//! What is wrong with a job file: every mistake with its place, printed like a compiler's errors.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Where a value of the job comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// The job file as a whole: it can't be read, or something is missing from it.
    File {
        /// The job file's name as given on the command line, `<stdin>` for `-`.
        file: Arc<str>,
    },
    /// A position in the job file.
    Text {
        /// The job file's name as given on the command line, `<stdin>` for `-`.
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// An override on the command line.
    Override {
        /// The argument after `--set`.
        argument: Arc<str>,
    },
    /// An argument of a command that has made the job; the mistake's key names it.
    Argument,
}

impl Position {
    /// The order of printing: the file as a whole, then by position, then overrides.
    fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::File { .. } => (0, 0, 0),
            Self::Text { line, column, .. } => (1, *line, *column),
            Self::Override { .. } => (2, 0, 0),
            Self::Argument => (3, 0, 0),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file } => f.write_str(file),
            Self::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Override { argument } => write!(f, "--set {argument}"),
            Self::Argument => Ok(()),
        }
    }
}

/// One thing that is wrong, with where and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Position,
    /// The key concerned, e.g. `inputs.red.bands`; empty when it is about the file as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Mistake {
    /// Says what to do about it.
    pub fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

impl fmt::Display for Mistake {
    /// `job.toml:12:9: inputs.red.bands: message`, and the hint on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Position::Argument {
            write!(f, "{}: ", self.place)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Serialize for Mistake {
    /// `{file?, line?, column?, set?, key, message, hint?}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Mistake", 7)?;
        match &self.place {
            Position::File { file } => s.serialize_field("file", &**file)?,
            Position::Text { file, line, column } => {
                s.serialize_field("file", &**file)?;
                s.serialize_field("line", line)?;
                s.serialize_field("column", column)?;
            }
            Position::Override { argument } => s.serialize_field("set", &**argument)?,
            Position::Argument => {}
        }
        s.serialize_field("key", &self.key)?;
        s.serialize_field("message", &self.message)?;
        if let Some(hint) = &self.hint {
            s.serialize_field("hint", hint)?;
        }
        s.end()
    }
}

/// Everything found wrong with a job, in the order of the job file. Serialised as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a mistake, which the caller may give a [`hint`](Mistake::hint). Mistakes are sorted by place; those of one place keep their order.
    pub fn add(&mut self, place: Position, key: impl Into<String>, message: impl Into<String>) -> &mut Mistake {
        let at = self.0.partition_point(|m| m.place.rank().cmp(&place.rank()) != Ordering::Greater);
        self.0.insert(at, Mistake { place, key: key.into(), message: message.into(), hint: None });
        #[expect(clippy::indexing_slicing, reason = "inserted there just now")]
        &mut self.0[at]
    }

    /// As the user of a command that has made the job knows them: keys by the arguments that they come from.
    #[must_use]
    pub fn by_argument(mut self, argument: impl Fn(&str) -> Option<String>) -> Self {
        for mistake in &mut self.0 {
            if !matches!(mistake.place, Position::Override { .. }) {
                mistake.place = Position::Argument;
                mistake.key = argument(&mistake.key).unwrap_or_else(|| std::mem::take(&mut mistake.key));
            }
        }
        self
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each, in the order of the job file.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }

    /// `value` when nothing is wrong.
    ///
    /// # Errors
    /// The mistakes themselves, if there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Mistakes {
    /// One after the other, then their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in self {
            writeln!(f, "{mistake}")?;
        }
        let place = if self.iter().any(|mistake| mistake.place != Position::Argument) { "job" } else { "arguments" };
        match self.len() {
            1 => write!(f, "1 mistake in the {place}"),
            n => write!(f, "{n} mistakes in the {place}"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// The candidate that `word` is most likely a misspelling of.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A third of the letters wrong is still a slip; case and `-` for `_` are no more than that.
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let slip = |(distance, candidate): &(usize, &str)| {
        let letters = word.chars().count().max(candidate.chars().count());
        *distance <= letters / 3 || (word.len() * 2 > candidate.len() && candidate.starts_with(word))
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&plain(word), &plain(candidate)), candidate))
        .filter(slip)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position::Text { file: "job.toml".into(), line, column }
    }

    fn three() -> Mistakes {
        let mut mistakes = Mistakes::new();
        mistakes.add(Position::Override { argument: "grid.edge=x".into() }, "grid.edge", "unknown");
        mistakes.add(at(12, 9), "inputs.red.bands", "expected a list").hint("write [3]");
        mistakes.add(at(2, 30), "function.name", "empty");
        mistakes.add(at(12, 9), "inputs.red.bands", "second");
        mistakes.add(Position::File { file: "job.toml".into() }, "", "unreadable");
        mistakes
    }

    #[test]
    fn printed_in_the_order_of_the_file() {
        assert_eq!(
            three().to_string(),
            "job.toml: unreadable\n\
             job.toml:2:30: function.name: empty\n\
             job.toml:12:9: inputs.red.bands: expected a list\n  hint: write [3]\n\
             job.toml:12:9: inputs.red.bands: second\n\
             --set grid.edge=x: grid.edge: unknown\n\
             5 mistakes in the job"
        );
    }

    #[test]
    fn misspellings() {
        let keys = ["bands", "band_names", "nodata", "path", "paths", "resampling", "nearest"];
        for (word, meant) in [
            ("bnads", Some("bands")),
            ("Path", Some("path")),
            ("band-names", Some("band_names")),
            ("no_data", Some("nodata")),
            ("near", Some("nearest")),
            ("resample", Some("resampling")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, keys), meant, "{word}");
        }
    }

    #[test]
    fn machine_readable() {
        let json = serde_json::to_value(three()).unwrap();
        assert_eq!(
            json[2],
            serde_json::json!({"file": "job.toml", "line": 12, "column": 9, "key": "inputs.red.bands",
                               "message": "expected a list", "hint": "write [3]"})
        );
        assert_eq!(json[4], serde_json::json!({"set": "grid.edge=x", "key": "grid.edge", "message": "unknown"}));
    }
}
