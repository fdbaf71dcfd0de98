//! TOML and JSON text into the one tree.

use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistakes::Mistakes;
use super::tree::{Data, Entry, Node, Origin, Source, shorten};

/// Reads the job file's text, as JSON if `json`.
///
/// # Errors
/// All syntax errors. There is no tree then: mistakes in a tree with holes would be consequences.
pub fn parse(source: &Source, json: bool) -> Result<Node, Mistakes> {
    if json { parse_json(source) } else { parse_toml(source) }
}

fn parse_toml(source: &Source) -> Result<Node, Mistakes> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let mut mistakes = Mistakes::new();
    let mut last_line = 0;
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        let line = source.text().get(..offset).unwrap_or_default().matches('\n').count() + 1;
        // The parser goes on after an error. A second error on the same line is most often the same mistake.
        if line != last_line {
            let message = format!("not TOML: {}", one_line(error.message()));
            let mistake = mistakes.add(source.place(Origin::Text(offset)), "", message);
            if let Some(word) = bare_word(source.text(), offset) {
                mistake.hint(match word.to_ascii_lowercase().as_str() {
                    lower @ ("true" | "false") => format!("write {lower}"),
                    _ => format!("text needs quotes: {:?}", shorten(word)),
                });
            }
        }
        last_line = line;
    }
    let root = Node { data: toml_table(table.get_ref(), &Origin::Text), origin: Origin::Text(0) };
    mistakes.into_result(root)
}

/// The unquoted text that was written where a value belongs.
fn bare_word(text: &str, offset: usize) -> Option<&str> {
    let before = text.get(..offset)?.trim_end_matches([' ', '\t']);
    let word = text.get(offset..)?.split([',', ']', '}', '#', '\r', '\n']).next()?.trim_end();
    (before.ends_with(['=', ',', '[']) && word.starts_with(|c: char| c.is_alphabetic() || "./~".contains(c)))
        .then_some(word)
}

fn one_line(message: &str) -> String {
    message.lines().collect::<Vec<_>>().join(", ")
}

/// A TOML value as given in an override, all of it written at `origin`.
///
/// # Errors
/// The parser's message.
pub fn toml_value_at(text: &str, origin: Origin) -> Result<Node, String> {
    let value = DeValue::parse(text).map_err(|error| one_line(error.message()))?;
    Ok(toml_node(&value, origin, &|_| origin))
}

fn toml_table(table: &DeTable<'_>, origin: &impl Fn(usize) -> Origin) -> Data {
    let mut entries: Vec<_> = table.iter().collect();
    // The parser keeps keys sorted by name; what the user wrote first comes first.
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        let at = origin(key.span().start);
        Entry { key: key.get_ref().to_string(), origin: at, node: toml_node(value, at, origin) }
    };
    Data::Table(entries.into_iter().map(entry).collect())
}

/// `name` is where the value's name was written: for a table that is its origin.
fn toml_node(value: &Spanned<DeValue<'_>>, name: Origin, origin: &impl Fn(usize) -> Origin) -> Node {
    let at = origin(value.span().start);
    let data = match value.get_ref() {
        DeValue::Table(table) => {
            return Node { data: toml_table(table, origin), origin: name };
        }
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Data::Int(value),
            Err(_) => beyond(&number.to_string()),
        },
        DeValue::Float(number) => float(number.as_str()),
        DeValue::Boolean(value) => Data::Bool(*value),
        DeValue::Datetime(date) => Data::Other(format!("the date {date}; text needs quotes")),
        DeValue::Array(items) => {
            Data::List(items.iter().map(|item| toml_node(item, origin(item.span().start), origin)).collect())
        }
    };
    Node { data, origin: at }
}

fn beyond(number: &str) -> Data {
    Data::Other(format!("{}, which is beyond 64 bits", shorten(number)))
}

/// A number such as `1e400` is infinite without saying so.
fn float(text: &str) -> Data {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() || text.contains(['i', 'n']) => Data::Float(value),
        _ => beyond(text),
    }
}

const JSON: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

fn parse_json(source: &Source) -> Result<Node, Mistakes> {
    let mut mistakes = Mistakes::new();
    match parse_to_ast(source.text(), &CollectOptions::default(), &JSON) {
        Err(error) => {
            mistakes.add(source.place(Origin::Text(error.range().start)), "", format!("not JSON: {}", error.kind()));
        }
        Ok(parsed) => match &parsed.value {
            Some(value @ ast::Value::Object(_)) => {
                let root = json_node(value, Origin::Text(0), source, &mut mistakes);
                return mistakes.into_result(root);
            }
            Some(_) => {
                mistakes.add(source.place(Origin::Text(0)), "", "a job in JSON is an object, `{…}`");
            }
            None => {
                mistakes.add(source.file(), "", "the file is empty");
            }
        },
    }
    Err(mistakes)
}

fn json_node(value: &ast::Value<'_>, name: Origin, source: &Source, mistakes: &mut Mistakes) -> Node {
    let (data, start) = match value {
        ast::Value::StringLit(text) => (Data::Text(text.value.to_string()), text.range.start),
        ast::Value::NumberLit(number) => (json_number(number.value), number.range.start),
        ast::Value::BooleanLit(literal) => (Data::Bool(literal.value), literal.range.start),
        ast::Value::NullKeyword(null) => (Data::Other("null".to_owned()), null.range.start),
        ast::Value::Array(array) => {
            let items = array.elements.iter().map(|item| json_node(item, json_start(item), source, mistakes)).collect();
            (Data::List(items), array.range.start)
        }
        ast::Value::Object(object) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(object.properties.len());
            let mut names = std::collections::HashSet::new();
            for property in &object.properties {
                let (key, range) = match &property.name {
                    ast::ObjectPropName::String(text) => (text.value.to_string(), text.range),
                    ast::ObjectPropName::Word(word) => (word.value.to_owned(), word.range),
                };
                let at = Origin::Text(range.start);
                if !names.insert(key.clone()) {
                    mistakes.add(source.place(at), "", format!("not JSON: the key {key:?} is there twice"));
                    continue;
                }
                let node = json_node(&property.value, at, source, mistakes);
                entries.push(Entry { key, origin: at, node });
            }
            return Node { data: Data::Table(entries), origin: name };
        }
    };
    Node { data, origin: Origin::Text(start) }
}

fn json_start(value: &ast::Value<'_>) -> Origin {
    use jsonc_parser::common::Ranged;
    Origin::Text(value.range().start)
}

fn json_number(text: &str) -> Data {
    if text.contains(['.', 'e', 'E']) { float(text) } else { text.parse().map_or_else(|_| beyond(text), Data::Int) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str, json: bool) -> String {
        parse(&Source::new("job", text.to_owned(), &[]), json).unwrap_err().to_string()
    }

    #[test]
    fn toml_keeps_the_order_and_places() {
        let source =
            Source::new("job", "[inputs.z]\npath = 'a'\n[inputs.a]\nbands = [ 1,\n  2 ]\nx = 1e400".to_owned(), &[]);
        let root = parse(&source, false).unwrap();
        let inputs = &root.entry("inputs").unwrap().node;
        let Data::Table(entries) = &inputs.data else { panic!() };
        assert_eq!(entries.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["z", "a"]);
        let at = |path| source.place(root.origin_of(path)).to_string();
        assert_eq!(at("inputs.z"), "job:1:9");
        assert_eq!(at("inputs.z.path"), "job:2:8");
        assert_eq!(at("inputs.a.bands"), "job:4:9");
        assert_eq!(at("inputs.a.bands[1]"), "job:5:3");
        assert_eq!(at("inputs.a.missing.deep"), "job:3:9");
        assert_eq!(at("outputs.x"), "job:1:1");
        let x = &inputs.entry("a").unwrap().node.entry("x").unwrap().node;
        assert_eq!(x.shown(), "1e400, which is beyond 64 bits");
    }

    #[test]
    fn json_places_and_strictness() {
        let source = Source::new("job", "{\"a\": {\"é\": [1, -2.5e1, null]}}".to_owned(), &[]);
        let root = parse(&source, true).unwrap();
        assert_eq!(source.place(root.origin_of("a.\"é\"[1]")).to_string(), "job:1:17");
        assert_eq!(root.entry("a").unwrap().node.entry("é").unwrap().node.shown(), "[1, -25.0, null]");
        for (text, message) in [
            ("", "job: the file is empty"),
            ("[1]", "job:1:1: a job in JSON is an object, `{…}`"),
            ("{\"a\": 1,}", "job:1:8: not JSON: Trailing commas are not allowed"),
            ("{\"a\": 1 /* x */}", "job:1:9: not JSON: Comments are not allowed"),
            ("{a: 1}", "job:1:2: not JSON: Expected string for object property"),
            ("{\"a\": 1,\n \"a\": 2}", "job:2:2: not JSON: the key \"a\" is there twice"),
        ] {
            assert_eq!(mistakes(text, true), format!("{message}\n1 mistake in the job"));
        }
    }

    #[test]
    fn every_line_with_wrong_toml_is_reported() {
        let text = "[function]\nmodule = ndvi.wasm\nname = \"x\n[inputs.red]\npath = ./a b.tif # c\nbands = 1 2\n\
                    x = True\n[grid\ntile = 1\n";
        assert_eq!(
            mistakes(text, false),
            "job:2:10: not TOML: invalid float, expected `nan`\n  hint: text needs quotes: \"ndvi.wasm\"\n\
             job:3:10: not TOML: invalid basic string, expected `\"`\n\
             job:5:8: not TOML: string values must be quoted, expected literal string\n  hint: text needs quotes: \"./a b.tif\"\n\
             job:6:9: not TOML: string values must be quoted, expected literal string\n\
             job:7:5: not TOML: invalid boolean, expected `true`\n  hint: write true\n\
             job:8:6: not TOML: unclosed table, expected `]`\n\
             6 mistakes in the job"
        );
    }
}
