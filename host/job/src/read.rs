//! Tools to read the tree key by key, noting each mistake and going on.

mod ecs;
mod grid;
mod job;
mod rasters;
mod workers;

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::mistakes::{Mistake, Mistakes, did_you_mean};
use super::paths;
use super::spec::{Named, Spec};
use super::tree::{Data, Entry, Node, Origin, Source, item, join};
use super::units::{Nodata, Size, Time};

/// Reads the whole tree; `mistakes` are those found before.
///
/// # Errors
/// All mistakes, if there are any.
pub fn read(tree: &Node, base: &str, source: &Source, mistakes: Mistakes) -> Result<Spec, Mistakes> {
    let mut reader = Reader { source, base, mistakes };
    match job::job(&mut reader, tree) {
        Some(spec) if reader.mistakes.is_empty() => Ok(spec),
        _ => Err(reader.mistakes),
    }
}

/// Mistakes in the items of one list after which the rest is not looked at.
const WRONG_ITEMS: usize = 20;

/// What reading a value needs besides the value. Every method that returns an `Option` has noted a mistake when that is `None`.
struct Reader<'s> {
    source: &'s Source,
    base: &'s str,
    mistakes: Mistakes,
}

/// A value and its key path.
struct Field<'t> {
    path: String,
    node: &'t Node,
}

impl Reader<'_> {
    fn wrong(&mut self, field: &Field<'_>, message: impl Into<String>) -> &mut Mistake {
        self.mistakes.add(self.source.place(field.node.origin), &field.path, message)
    }

    fn expected(&mut self, field: &Field<'_>, wanted: impl Display) -> &mut Mistake {
        self.wrong(field, format!("expected {wanted}, found {}", field.node.shown()))
    }

    /// `value` if it is there, else the mistake.
    fn want<T>(&mut self, field: &Field<'_>, wanted: impl Display, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.expected(field, wanted);
        }
        value
    }

    fn bool(&mut self, field: &Field<'_>) -> Option<bool> {
        let Data::Bool(value) = field.node.data else {
            self.expected(field, "true or false");
            return None;
        };
        Some(value)
    }

    /// A text with something in it.
    fn text(&mut self, field: &Field<'_>) -> Option<String> {
        self.text_as(field, "text", |text| Some(text.to_owned()))
    }

    /// A text that `check` accepts.
    fn text_as<T>(&mut self, field: &Field<'_>, wanted: &str, check: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = match &field.node.data {
            Data::Text(text) if !text.trim().is_empty() => check(text),
            _ => None,
        };
        self.want(field, wanted, value)
    }

    /// A text of a form that `check` tells.
    fn text_like(&mut self, field: &Field<'_>, wanted: &str, check: impl FnOnce(&str) -> bool) -> Option<String> {
        self.text_as(field, wanted, |text| check(text).then(|| text.to_owned()))
    }

    /// A path or URL, made absolute.
    fn path(&mut self, field: &Field<'_>) -> Option<String> {
        let base = self.base;
        self.text_as(field, "a path or URL", |path| Some(paths::resolve(base, path)))
    }

    /// A whole number in a range; `wanted` says of what.
    fn integer(&mut self, field: &Field<'_>, wanted: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = match field.node.data {
            Data::Int(value) => u32::try_from(value).ok().filter(|value| range.contains(value)),
            _ => None,
        };
        self.want(field, format_args!("{wanted} from {} to {}", range.start(), range.end()), value)
    }

    /// A finite number.
    fn number(&mut self, field: &Field<'_>) -> Option<f64> {
        self.want(field, "a number", number(field.node).filter(|value| value.is_finite()))
    }

    /// A number or "nan".
    fn nodata(&mut self, field: &Field<'_>) -> Option<Nodata> {
        if let Data::Int(value) = field.node.data
            && number(field.node).is_none()
        {
            self.wrong(field, format!("{value} has no exact floating-point value, and nodata is kept as one"));
            return None;
        }
        self.want(field, "a number or \"nan\"", nodata(field.node))
    }

    /// A size within bounds.
    fn size(&mut self, field: &Field<'_>, range: RangeInclusive<Size>) -> Option<Size> {
        let value = match &field.node.data {
            Data::Text(text) => Size::parse(text),
            Data::Int(bytes) => u64::try_from(*bytes).ok().map(Size),
            _ => None,
        };
        let value = self.want(field, "a size such as \"1GiB\" or \"512 MB\"", value)?;
        self.within(field, value, &range)
    }

    /// A time within bounds.
    fn time(&mut self, field: &Field<'_>, range: RangeInclusive<Time>) -> Option<Time> {
        let value = match &field.node.data {
            Data::Text(text) => Time::parse(text),
            _ => None,
        };
        let Some(value) = value else {
            let mistake = self.expected(field, "a time such as \"60s\", \"500ms\", \"2m\" or \"1h\"");
            if let Data::Int(number) = field.node.data {
                mistake.hint(format!("write \"{number}s\" for seconds"));
            }
            return None;
        };
        self.within(field, value, &range)
    }

    fn within<T: PartialOrd + Display>(&mut self, field: &Field<'_>, value: T, range: &RangeInclusive<T>) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        self.expected(field, format_args!("{} to {}", range.start(), range.end()));
        None
    }

    /// One of a choice's words.
    fn name<T: Named>(&mut self, field: &Field<'_>) -> Option<T> {
        let text = match &field.node.data {
            Data::Text(text) => text.as_str(),
            _ => "",
        };
        let value = T::from_name(text);
        if value.is_none() {
            let words = || T::ALL.iter().map(|(word, _)| *word);
            let list: Vec<_> = words().map(|word| format!("{word:?}")).collect();
            let mistake = self.expected(field, format_args!("one of {}", list.join(", ")));
            if let Some(word) = did_you_mean(text, words()) {
                mistake.hint(format!("did you mean {word:?}?"));
            }
        }
        value
    }

    /// A list with something in it, each item read by `read`.
    fn list<T>(
        &mut self,
        field: &Field<'_>,
        wanted: &str,
        read: impl FnMut(&mut Self, &Field<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Data::List(items) = &field.node.data else {
            self.expected(field, wanted);
            return None;
        };
        if items.is_empty() {
            self.expected(field, wanted);
            return None;
        }
        self.items(field, items, read)
    }

    /// Reads every item, so that every mistake is found; but a list that is wrong throughout says so only [`WRONG_ITEMS`] times.
    fn items<T>(
        &mut self,
        field: &Field<'_>,
        items: &[Node],
        mut read: impl FnMut(&mut Self, &Field<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (mut values, mut wrong) = (Vec::with_capacity(items.len()), 0);
        for (index, node) in items.iter().enumerate() {
            let path = item(&field.path, index);
            match read(self, &Field { path, node }) {
                Some(value) => values.push(value),
                None => wrong += 1,
            }
            if wrong == WRONG_ITEMS {
                break;
            }
        }
        (wrong == 0).then_some(values)
    }

    /// A list of exactly `N` numbers.
    fn numbers<const N: usize>(&mut self, field: &Field<'_>, wanted: &str) -> Option<[f64; N]> {
        let values = match &field.node.data {
            Data::List(items) => items.iter().map(|item| number(item).filter(|value| value.is_finite())).collect(),
            _ => None,
        };
        let values: Option<[f64; N]> = values.and_then(|values: Vec<f64>| values.try_into().ok());
        self.want(field, wanted, values)
    }
}

/// A number that a 64-bit float holds exactly.
fn number(node: &Node) -> Option<f64> {
    match node.data {
        Data::Float(value) => Some(value),
        #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
        #[expect(clippy::cast_possible_truncation, reason = "back from a float made from an i128 of 64 bits")]
        Data::Int(value) => (i128::from(value) == (value as f64) as i128).then_some(value as f64),
        _ => None,
    }
}

fn nodata(node: &Node) -> Option<Nodata> {
    match &node.data {
        Data::Text(text) if text == "nan" => Some(Nodata(f64::NAN)),
        _ => number(node).filter(|value| !value.is_infinite()).map(Nodata),
    }
}

/// A table of which each key is asked for by name; what was not asked for is unknown.
struct Section<'t> {
    path: String,
    origin: Origin,
    entries: &'t [Entry],
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'t> Section<'t> {
    fn of(r: &mut Reader<'_>, field: &Field<'t>) -> Option<Self> {
        let Data::Table(entries) = &field.node.data else {
            r.expected(field, "a table").hint(format!("write [{}] on a line of its own, its keys below", field.path));
            return None;
        };
        let origin = field.node.origin;
        Some(Self { path: field.path.clone(), origin, entries, known: Vec::new(), refused: Vec::new() })
    }

    /// Whether the key is there, without asking for it.
    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// The value of a key, if it is there.
    fn get(&mut self, key: &'static str) -> Option<Field<'t>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|e| e.key == key).map(|e| Field { path: join(&self.path, key), node: &e.node })
    }

    /// Reads the value of a key, if it is there.
    fn read<'s, T>(
        &mut self,
        r: &mut Reader<'s>,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'s>, &Field<'t>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|field| read(r, &field))
    }

    /// Reads the value of a key that must be there; `example` is how to write it.
    fn need<'s, T>(
        &mut self,
        r: &mut Reader<'s>,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&mut Reader<'s>, &Field<'t>) -> Option<T>,
    ) -> Option<T> {
        let field = self.get(key);
        if field.is_none() {
            self.missing(r, key, example);
        }
        field.and_then(|field| read(r, &field))
    }

    fn missing(&self, r: &mut Reader<'_>, key: &str, example: &str) {
        let place = r.source.place(self.origin);
        r.mistakes.add(place, join(&self.path, key), "missing").hint(format!("for example: {example}"));
    }

    /// Refuses a known key that has no place here, and says why.
    fn refuse(&mut self, r: &mut Reader<'_>, key: &'static str, why: &str) {
        self.refused.push(key);
        if let Some(entry) = self.entries.iter().find(|e| e.key == key) {
            r.mistakes.add(r.source.place(entry.origin), join(&self.path, key), why);
        }
    }

    /// Refuses every key that was never asked for.
    fn finish(self, r: &mut Reader<'_>) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if self.known.contains(&key) || self.refused.contains(&key) {
                continue;
            }
            let hint = match did_you_mean(key, self.known.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("known keys: {}", self.known.join(", ")),
            };
            r.mistakes.add(r.source.place(entry.origin), join(&self.path, key), "unknown key").hint(hint);
        }
    }
}
