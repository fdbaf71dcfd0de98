//! The job file as a tree of values that know where they were written, whether in TOML, in JSON or on the command line.

use std::sync::Arc;

use super::mistakes::Position;

/// Where a value was written; [`Source::place`] turns it into line and column when they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Byte offset in the job file.
    Text(usize),
    /// Number of the override, from 0.
    Override(usize),
}

/// A value and where it was written. A table's origin is its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it was written.
    pub origin: Origin,
}

/// A value of the job file.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by name, in the order written.
    Table(Vec<Entry>),
    /// A value that no key accepts (a date, null, a number beyond 64 bits), as a message shows it.
    Other(String),
}

/// A named value of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name.
    pub key: String,
    /// Where the name was written.
    pub origin: Origin,
    /// The value.
    pub node: Node,
}

/// Values shown in messages are cut to this many characters.
const SHOWN: usize = 40;

impl Node {
    /// The value as a message shows it: `"three"`, `3`, `[1, 2]`, `a table`.
    pub fn shown(&self) -> String {
        let text = match &self.data {
            Data::Bool(value) => value.to_string(),
            Data::Int(value) => value.to_string(),
            Data::Float(value) => format!("{value:?}"),
            Data::Text(text) => format!("{:?}", shorten(text)),
            Data::Other(text) => return text.clone(),
            Data::Table(_) => "a table".to_owned(),
            Data::List(items) if items.is_empty() => "an empty list".to_owned(),
            Data::List(items) => {
                // The first few are enough: a list may have a hundred thousand items.
                let items: Vec<_> = items.iter().take(SHOWN).map(Self::shown).collect();
                format!("[{}]", items.join(", "))
            }
        };
        shorten(&text)
    }

    /// The entry of this name, if this is a table that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        let Data::Table(entries) = &self.data else {
            return None;
        };
        entries.iter().find(|e| e.key == key)
    }

    /// As [`Self::entry`], to change it.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let Data::Table(entries) = &mut self.data else {
            return None;
        };
        entries.iter_mut().find(|e| e.key == key)
    }

    /// The value of a key path such as `inputs.red.bands[0]`, if it is there.
    pub fn find(&self, path: &str) -> Option<&Self> {
        segments(path).iter().try_fold(self, Self::step)
    }

    /// Where the value of a key path such as `inputs.red.bands[0]` was written, or the innermost part of the path that exists.
    pub fn origin_of(&self, path: &str) -> Origin {
        let mut node = self;
        for segment in segments(path) {
            let Some(next) = node.step(&segment) else { break };
            node = next;
        }
        node.origin
    }

    fn step(&self, segment: &Segment) -> Option<&Self> {
        match (&self.data, segment) {
            (Data::Table(_), Segment::Key(key)) => self.entry(key).map(|entry| &entry.node),
            (Data::List(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        }
    }
}

/// The text, cut for a message.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The job file's text and the overrides, to tell places.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    text: String,
    line_starts: Vec<usize>,
    overrides: Vec<Arc<str>>,
}

impl Source {
    /// `name` is what messages call the job file.
    pub fn new(name: &str, text: String, overrides: &[String]) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text, line_starts, overrides: overrides.iter().map(|o| o.as_str().into()).collect() }
    }

    /// The job file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the file as a whole.
    pub fn file(&self) -> Position {
        Position::File { file: self.name.clone() }
    }

    /// Line and column, or the override.
    pub fn place(&self, origin: Origin) -> Position {
        match origin {
            Origin::Text(offset) => {
                let line = self.line_starts.partition_point(|start| *start <= offset);
                let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
                let end = self.text.floor_char_boundary(offset);
                let column = self.text.get(start..end).unwrap_or_default().chars().count();
                Position::Text { file: self.name.clone(), line, column: column + 1 }
            }
            Origin::Override(index) => match self.overrides.get(index) {
                Some(argument) => Position::Override { argument: argument.clone() },
                None => self.file(),
            },
        }
    }
}

/// One step of a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Into a table.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The key path of `key` in the table at `parent` (empty for the whole file); a key with odd characters is quoted.
pub fn join(parent: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}

/// The key path of an item in the list at `parent`.
pub fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// Splits a key path that [`join`] and [`item`] made. Any other text gives segments that lead nowhere.
pub fn segments(path: &str) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('"') {
            // Written by `{:?}`: the closing quote is the first that no backslash escapes.
            let mut escaped = false;
            let end = after.find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            let (quoted, tail) = after.split_at(end.unwrap_or(after.len()));
            found.push(Segment::Key(unescape(quoted)));
            rest = tail.get(1..).unwrap_or_default();
        } else if let Some((index, tail)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            found.push(index.parse().map_or_else(|_| Segment::Key(index.to_owned()), Segment::Index));
            rest = tail;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len()).max(1);
            let end = (end..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            found.push(Segment::Key(key.to_owned()));
            rest = tail;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    found
}

/// The text that `{:?}` turned into `quoted`.
fn unescape(quoted: &str) -> String {
    // TOML's basic strings and Rust's debug output share their escapes but for `\u{…}`, `\'` and `\0`, which don't occur in sane keys.
    match toml::de::DeValue::parse(&format!("\"{quoted}\"")) {
        Ok(value) => value.get_ref().as_str().unwrap_or(quoted).to_owned(),
        Err(_) => quoted.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_paths() {
        let path = item(&join(&join("workers.fargate.tags", "cost centre.\"x\""), "b-1"), 3);
        assert_eq!(path, r#"workers.fargate.tags."cost centre.\"x\"".b-1[3]"#);
        let keys = ["workers", "fargate", "tags", "cost centre.\"x\"", "b-1"];
        let mut expected: Vec<_> = keys.iter().map(|k| Segment::Key((*k).to_owned())).collect();
        expected.push(Segment::Index(3));
        assert_eq!(segments(&path), expected);
        assert_eq!(segments(""), []);
        for odd in ["..", "[", "[x]", "\"", "é[", "é", "]", "a[1", "[1][2]"] {
            segments(odd);
        }
    }

    #[test]
    fn columns_count_characters() {
        let source = Source::new("job.toml", "a = 1\r\nü = \"é\" # ñ\nlast".to_owned(), &[]);
        let at = |needle| source.place(Origin::Text(source.text().find(needle).unwrap())).to_string();
        assert_eq!(at("a ="), "job.toml:1:1");
        assert_eq!(at("\"é"), "job.toml:2:5");
        assert_eq!(at("ñ"), "job.toml:2:11");
        assert_eq!(at("last"), "job.toml:3:1");
        assert_eq!(source.place(Origin::Text(usize::MAX)).to_string(), "job.toml:3:5");
        assert_eq!(source.place(Origin::Override(7)).to_string(), "job.toml");
    }

    #[test]
    fn values_in_messages_are_short() {
        let node = |data| Node { data, origin: Origin::Text(0) };
        assert_eq!(node(Data::Text("three".into())).shown(), "\"three\"");
        assert_eq!(node(Data::Float(3.0)).shown(), "3.0");
        assert_eq!(node(Data::List(vec![node(Data::Int(1)), node(Data::Bool(true))])).shown(), "[1, true]");
        assert_eq!(node(Data::List(vec![])).shown(), "an empty list");
        assert_eq!(node(Data::Text("é".repeat(100))).shown().chars().count(), SHOWN + 1);
    }
}
