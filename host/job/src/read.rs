//! Reads the tree by the job file's schema, key by key, noting each mistake and going on.

mod contradictions;
mod fleets;
mod formats;
mod reader;
mod typed;

use reader::{Field, Reader};
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::mistakes::{Mistakes, did_you_mean};
use super::schema::rules;
use super::spec::Spec;
use super::tree::{Data, Entry, Node, Source, item, join, shorten};

/// Reads the whole tree; `mistakes` are those found before.
///
/// # Errors
/// All mistakes, if there are any.
pub fn read(tree: &Node, base: &str, here: &str, source: &Source, mistakes: Mistakes) -> Result<Spec, Mistakes> {
    let mut reader = Reader { tree, source, base, here, mistakes };
    let Some(read) = reader.value(rules(), "", &Field { path: String::new(), node: tree }) else {
        return Err(reader.mistakes);
    };
    let mut spec = match Spec::deserialize(&read) {
        Ok(spec) => spec,
        // The schema allows a value that the types refuse: a mistake of tilefn's own, better said than hidden.
        Err(error) => {
            reader.mistakes.add(source.file(), "", error.to_string());
            return Err(reader.mistakes);
        }
    };
    reader.contradictions(&mut spec);
    reader.mistakes.into_result(spec)
}

/// Where the schema has a key's example.
const EXAMPLE: &str = "/examples/0";
/// The reader stops in a list after so many wrong items.
const WRONG_ITEMS: usize = 20;

impl Reader<'_> {
    /// The value as `rules` have it; `wanted` is what was expected, where they don't say it.
    fn value(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let wanted = rules["x-expected"].as_str().unwrap_or(wanted);
        if let Some(format) = rules["x-format"].as_str() {
            return self.format(format, rules, wanted, field);
        }
        if let Some(kinds) = rules["anyOf"].as_array() {
            return self.one_of(kinds, wanted, field);
        }
        match rules["type"].as_str() {
            Some("object") if !properties(rules).is_empty() => self.section(rules, &[], field),
            Some("object") => self.by_name(rules, wanted, field),
            Some("array") => self.list(rules, wanted, field),
            Some("boolean") => self.keep(field, "true or false", matches!(field.node.data, Data::Bool(_))),
            Some("integer") => self.integer(rules, wanted, field),
            Some("number") => self.number(rules, field),
            Some("string") => self.text(rules, wanted, field),
            _ => self.word(rules, field),
        }
    }

    fn integer(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let Data::Int(found) = field.node.data else { return self.keep(field, ranged(rules, wanted), false) };
        let choices = rules["enum"].as_array().is_none_or(|choices| choices.iter().any(|c| *c == found));
        let least = rules["minimum"].as_i64().is_none_or(|least| found >= least);
        let most = rules["maximum"].as_i64().is_none_or(|most| found <= most);
        self.keep(field, ranged(rules, wanted), choices && least && most)
    }

    fn number(&mut self, rules: &Value, field: &Field<'_>) -> Option<Node> {
        let found = finite(field.node);
        let wanted = if found.is_some() { rules["x-beyond"].as_str() } else { None };
        self.keep(field, wanted.unwrap_or("a number"), found.is_some_and(|found| within(rules, found)))
    }

    fn text(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let wanted = if wanted.is_empty() { "text" } else { wanted };
        let right = match (&field.node.data, rules["pattern"].as_str()) {
            (Data::Text(text), Some(pattern)) => Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)),
            (Data::Text(text), None) => rules.get("minLength").is_none() || !text.trim().is_empty(),
            _ => false,
        };
        self.keep(field, wanted, right)
    }

    /// One of a choice's words.
    fn word(&mut self, rules: &Value, field: &Field<'_>) -> Option<Node> {
        let words = rules["oneOf"].as_array().into_iter().flatten();
        let words: Vec<_> = words.filter_map(|word| word["const"].as_str()).collect();
        let text = match &field.node.data {
            Data::Text(text) => text.as_str(),
            _ => "",
        };
        if words.contains(&text) {
            return Some(field.node.clone());
        }
        let list: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
        let mistake = self.expected(field, format_args!("one of {}", list.join(", ")));
        if let Some(word) = did_you_mean(text, words) {
            mistake.hint(format!("did you mean {word:?}?"));
        }
        None
    }

    /// A value of one of several kinds. A section's kind is told by the needed keys that are there, another value's by its type.
    fn one_of(&mut self, kinds: &[Value], wanted: &str, field: &Field<'_>) -> Option<Node> {
        let data = &field.node.data;
        if kinds.iter().all(|kind| kind["type"] == "object") {
            let own = |kind: &&Value| required(kind).any(|key| field.node.entry(key).is_some());
            let kind = kinds.iter().find(own).or(kinds.first())?;
            let others: Vec<_> = kinds.iter().filter(|other| *other != kind).collect();
            return self.section(kind, &others, field);
        }
        let kind = kinds.iter().find(|kind| match (data, kind["type"].as_str()) {
            (Data::List(_), kind) => kind == Some("array"),
            (Data::Int(_), Some("integer")) | (Data::Text(_), Some("string")) | (Data::Table(_), Some("object")) => {
                true
            }
            _ => kind.get("x-format").is_some(),
        });
        match kind {
            Some(kind) => self.value(kind, wanted, field),
            None => self.keep(field, wanted, false),
        }
    }

    /// A list. A list that is wrong throughout gives [`WRONG_ITEMS`] mistakes.
    fn list(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let (least, most) = (rules["minItems"].as_u64().unwrap_or(0), rules["maxItems"].as_u64());
        let of = &rules["items"];
        let numbers = most.is_some() && of["type"] == "number";
        let Data::List(items) = &field.node.data else {
            let number = matches!(field.node.data, Data::Int(_) | Data::Float(_));
            let shown = field.node.shown();
            let mistake = self.expected(field, wanted);
            if numbers && most == Some(2) && number {
                mistake.hint(format!("write [{shown}, {shown}]"));
            }
            return None;
        };
        let length = items.len() as u64;
        if length < least || most.is_some_and(|most| length > most) {
            return self.keep(field, wanted, false);
        }
        // Numbers of a list of fixed length mean something only together, so the mistake is the list's.
        if numbers {
            let Some(found) = items.iter().map(finite).collect::<Option<Vec<_>>>() else {
                return self.keep(field, wanted, false);
            };
            let beyond = rules["x-beyond"].as_str().unwrap_or(wanted);
            return self.keep(field, beyond, found.into_iter().all(|found| within(of, found)));
        }
        let (mut values, mut wrong) = (Vec::with_capacity(items.len()), 0);
        let wanted = rules["x-item"].as_str().unwrap_or_default();
        for (index, node) in items.iter().enumerate() {
            match self.value(of, wanted, &Field { path: item(&field.path, index), node }) {
                Some(value) => values.push(value),
                None => wrong += 1,
            }
            if wrong == WRONG_ITEMS {
                break;
            }
        }
        (wrong == 0).then_some(Node { data: Data::List(values), origin: field.node.origin })
    }

    /// A table whose keys are names of the user's choice. `None` only if it is no table; values that are wrong are left out.
    fn by_name(&mut self, rules: &Value, wanted: &str, field: &Field<'_>) -> Option<Node> {
        let Data::Table(entries) = &field.node.data else {
            let mistake = self.expected(field, if wanted.is_empty() { "a table" } else { wanted });
            if let Some(hint) = rules["x-hint"].as_str() {
                mistake.hint(hint);
            }
            return None;
        };
        if entries.is_empty() && rules.get("minProperties").is_some() {
            self.expected(field, wanted);
            return None;
        }
        let key = rules["x-key"].as_str().and_then(|wanted| {
            let pattern = rules.pointer("/propertyNames/pattern")?.as_str()?;
            Some((wanted, Regex::new(pattern).ok()?))
        });
        let values = entries.iter().filter_map(|entry| {
            if let Some((wanted, pattern)) = &key
                && !pattern.is_match(&entry.key)
            {
                let place = self.source.place(entry.origin);
                let message = format!("expected {wanted}, found {:?}", shorten(&entry.key));
                self.mistakes.add(place, join(&field.path, &entry.key), message);
            }
            let field = Field { path: join(&field.path, &entry.key), node: &entry.node };
            let node = self.value(&rules["additionalProperties"], "", &field)?;
            Some(Entry { node, ..entry.clone() })
        });
        Some(Node { data: Data::Table(values.collect()), origin: field.node.origin })
    }

    /// A section: a table with keys of its own. `others` are the kinds of section that it could have been.
    ///
    /// A needed value that is missing or wrong is replaced by a stand-in, so that contradictions in the rest are found in the same run.
    fn section(&mut self, rules: &Value, others: &[&Value], field: &Field<'_>) -> Option<Node> {
        let Data::Table(entries) = &field.node.data else {
            self.expected(field, "a table")
                .hint(format!("write [{}] on a line of its own, its keys below", field.path));
            return None;
        };
        let keys = properties(rules);
        let mut values = Vec::new();
        let mut add = |key: &str, node| values.push(Entry { key: key.to_owned(), origin: field.node.origin, node });
        // Of two keys such as `path` and `paths`, one is needed.
        let either: Vec<_> = rules["oneOf"].as_array().into_iter().flatten().flat_map(required).collect();
        let mut given = either.iter().filter(|key| field.node.entry(key).is_some());
        let first = given.next().or(either.first());
        let second = given.next();
        for (key, rules_of_key) in &keys {
            let needed = first == Some(key) || required(rules).any(|needed| needed == *key);
            let path = join(&field.path, key);
            let entry = field.node.entry(key);
            let value = match entry {
                Some(entry) if second == Some(key) => {
                    let either = rules["x-either"].as_str().unwrap_or("give one file or a list of them");
                    let message = format!("contradicts `{}`: {either}", first.unwrap_or(key));
                    self.wrong(&Field { path, node: &entry.node }, message);
                    continue;
                }
                Some(entry) => self.value(rules_of_key, "", &Field { path: path.clone(), node: &entry.node }),
                None if needed => {
                    let written = rules_of_key["x-example"].as_str().or(rules["x-example"].as_str());
                    let example =
                        || format!("{key} = {}", rules_of_key.pointer(EXAMPLE).map_or_else(String::new, toml));
                    let example = written.map_or_else(example, str::to_owned);
                    self.missing(field, key, "missing", &example);
                    None
                }
                None => continue,
            };
            let stand_in = || needed.then(|| stand_in(rules_of_key, &Field { path, node: field.node }));
            if let Some(node) = value.or_else(stand_in) {
                add(key, node);
            }
        }
        let mut known: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
        known.extend(others.iter().flat_map(|other| required(other)));
        for Entry { key, origin, .. } in entries {
            if keys.iter().any(|(known, _)| known == key) {
                continue;
            }
            let other = others.iter().find(|other| properties(other).iter().any(|(known, _)| known == key));
            let why = other.and_then(|other| other["x-elsewhere"].as_str());
            let place = self.source.place(*origin);
            let mistake = self.mistakes.add(place, join(&field.path, key), why.unwrap_or("unknown key"));
            match (why, did_you_mean(key, known.iter().copied())) {
                (Some(_), _) => {}
                (None, Some(known)) => mistake.hint(format!("did you mean {known:?}?")),
                (None, None) => mistake.hint(format!("known keys: {}", known.join(", "))),
            }
        }
        Some(Node { data: Data::Table(values), origin: field.node.origin })
    }

    fn missing(&mut self, section: &Field<'_>, key: &str, message: impl Into<String>, example: &str) {
        let place = self.source.place(section.node.origin);
        self.mistakes.add(place, join(&section.path, key), message).hint(format!("for example: {example}"));
    }
}

/// What was expected of a whole number, with its range.
fn ranged(rules: &Value, wanted: &str) -> String {
    match (rules["minimum"].as_i64(), rules["maximum"].as_i64()) {
        (Some(least), Some(most)) => format!("{wanted} from {least} to {most}"),
        _ => wanted.to_owned(),
    }
}

/// Whether a number is in its range.
fn within(rules: &Value, found: f64) -> bool {
    let is = |key: &str, right: fn(f64, f64) -> bool| rules[key].as_f64().is_none_or(|bound| right(found, bound));
    is("minimum", |found, least| found >= least)
        && is("exclusiveMinimum", |found, least| found > least)
        && is("exclusiveMaximum", |found, most| found < most)
}

/// A finite number that a 64-bit float holds exactly.
fn finite(node: &Node) -> Option<f64> {
    formats::number(node).filter(|value| value.is_finite())
}

/// The keys of a section in the order of its type, those of which one is needed before.
fn properties(rules: &Value) -> Vec<(&str, &Value)> {
    let either = rules["oneOf"].as_array().into_iter().flatten();
    let tables = either.chain([rules]).filter_map(|rules| rules["properties"].as_object());
    tables.flatten().map(|(key, rules)| (key.as_str(), rules)).collect()
}

/// The keys that a section can't do without.
fn required(rules: &Value) -> impl Iterator<Item = &str> {
    rules["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A value that could have been there: its example.
fn stand_in(rules: &Value, field: &Field<'_>) -> Node {
    let node = |data| Node { data, origin: field.node.origin };
    let entry =
        |key: &str, rules| Entry { key: key.to_owned(), origin: field.node.origin, node: stand_in(rules, field) };
    let data = |value: &Value| match value {
        Value::String(text) => Data::Text(text.clone()),
        Value::Number(number) => Data::Int(number.as_i64().unwrap_or_default()),
        _ => Data::Text(field.path.clone()),
    };
    match rules.pointer(EXAMPLE) {
        Some(Value::Array(items)) => node(Data::List(items.iter().map(|item| node(data(item))).collect())),
        Some(example) => node(data(example)),
        None if rules["type"] == "array" => node(Data::List(Vec::new())),
        None if rules["type"] == "object" => {
            let first = rules["oneOf"].as_array().and_then(|either| required(either.first()?).next());
            let keys = properties(rules).into_iter();
            let keys = keys.filter(|(key, _)| first == Some(*key) || required(rules).any(|needed| needed == *key));
            node(Data::Table(keys.map(|(key, rules)| entry(key, rules)).collect()))
        }
        None => node(Data::Text(field.path.clone())),
    }
}

/// An example as TOML has it.
fn toml(example: &Value) -> String {
    match example {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        example => example.to_string(),
    }
}
