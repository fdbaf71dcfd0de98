//! The schema, the reader and docs/job-file.md know the same keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::{FULL, LEAST, load, toml};
use crate::{load_text, schema, schema::rules};

const PAGE: &str = include_str!("../../../../docs/job-file.md");

/// The keys of each section; `*` stands for a name of the user's choice. `workers.s3` is a section, so not a key of `workers`.
type Keys = BTreeMap<String, BTreeSet<String>>;

fn schema_keys() -> (Keys, BTreeMap<String, Value>) {
    let schema = schema();
    let (mut keys, mut defaults) = (Keys::new(), BTreeMap::new());
    walk(&schema, &schema, "", &mut keys, &mut defaults);
    // A parameter's value, of whatever name, may be a file: no section, and the page has it in the row of all parameters.
    assert_eq!(keys.remove("params.*").unwrap(), BTreeSet::from(["file".to_owned()]));
    (keys, defaults)
}

fn walk(root: &Value, schema: &Value, path: &str, keys: &mut Keys, defaults: &mut BTreeMap<String, Value>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = &root["$defs"][reference.strip_prefix("#/$defs/").unwrap()];
        assert!(target.is_object(), "{reference}");
        walk(root, target, path, keys, defaults);
    }
    for choices in ["oneOf", "anyOf"] {
        for choice in schema[choices].as_array().into_iter().flatten() {
            walk(root, choice, path, keys, defaults);
        }
    }
    let below = |key: &str| {
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    };
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        keys.entry(path.to_owned()).or_default().insert(key.clone());
        if let Some(default) = value.get("default") {
            defaults.insert(below(key), default.clone());
        }
        walk(root, value, &below(key), keys, defaults);
    }
    if let Some(value @ Value::Object(_)) = schema.get("additionalProperties") {
        walk(root, value, &below("*"), keys, defaults);
    }
}

/// What the reader lists as known when it meets a key it doesn't know.
fn reader_keys(section: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for context in ["", "vector = 'v'\n"] {
        if !context.is_empty() && section != "inputs.*" {
            continue;
        }
        let text = match section {
            "" => format!("qqqqqqqqqqqq = 1\n{LEAST}"),
            "function" => format!("{LEAST}qqqqqqqqqqqq = 1\n"),
            _ => format!("{LEAST}[{}]\n{context}qqqqqqqqqqqq = 1\n", section.replace('*', "1")),
        };
        let mistakes = toml(&text).unwrap_err();
        let mistake = mistakes.iter().find(|m| m.key.ends_with("qqqqqqqqqqqq")).unwrap();
        assert_eq!(mistake.message, "unknown key");
        let known = mistake.hint.as_deref().unwrap().strip_prefix("known keys: ").unwrap();
        found.extend(known.split(", ").map(str::to_owned));
    }
    found
}

#[test]
fn reader_and_schema() {
    let (keys, _) = schema_keys();
    assert!(keys.len() >= 9, "{keys:?}");
    for (section, keys) in keys {
        assert_eq!(reader_keys(&section), keys, "[{section}]");
    }
}

/// The rows of the page's tables: for each section, each key with the text of its default and the whole row.
type Rows = BTreeMap<String, BTreeMap<String, (String, String)>>;

fn page_rows() -> Rows {
    let mut rows = Rows::new();
    let mut sections = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let names = heading.split('`').filter_map(|part| part.strip_prefix('[')?.strip_suffix(']'));
            sections = names.map(|name| name.replace("NAME", "*").replace("VALUE", "*")).collect();
        } else if let Some(row) = line.strip_prefix("| `") {
            let (key, rest) = row.split_once("` |").unwrap();
            let default = rest.split(" | ").nth(1).unwrap().trim();
            for section in &sections {
                rows.entry(section.clone()).or_default().insert(key.to_owned(), (default.to_owned(), row.to_owned()));
            }
        }
    }
    rows
}

#[test]
fn page_and_schema() {
    let (mut keys, defaults) = schema_keys();
    let rows = page_rows();
    // The page documents sections by their headings, and parameters by the one row for any name.
    assert_eq!(
        keys.remove("").unwrap(),
        ["function", "params", "inputs", "outputs", "reduced", "grid", "table", "limits", "workers"]
            .map(str::to_owned)
            .into()
    );
    for section in ["s3", "fargate", "ec2"] {
        assert!(keys.get_mut("workers").unwrap().remove(section));
    }
    let mut documented: Keys = rows.iter().map(|(s, keys)| (s.clone(), keys.keys().cloned().collect())).collect();
    assert_eq!(documented.remove("params").unwrap(), BTreeSet::from(["NAME".to_owned()]));
    assert_eq!(documented, keys);
    for (path, default) in defaults {
        let Some((section, key)) = path.rsplit_once('.') else {
            continue;
        };
        let written = &rows[section][key].0;
        let plain = match &default {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().unwrap().to_string(),
            other => other.to_string(),
        };
        // Vector and raster inputs share the row of `nodata`, each with its own default.
        assert!(written.trim_matches('`') == plain || path == "inputs.*.nodata", "{path}: {written} is not {plain}");
    }
}

/// Words and bounds are in the page's rows as the reader has them.
#[test]
fn page_and_bounds() {
    fn walk(rules: &Value, path: &str, rows: &Rows, checked: &mut usize) {
        for choices in ["oneOf", "anyOf"] {
            rules[choices].as_array().into_iter().flatten().for_each(|choice| walk(choice, path, rows, checked));
        }
        for (key, of) in rules["properties"].as_object().into_iter().flatten() {
            let row = rows.get(path).and_then(|rows| rows.get(key)).map_or("", |(_, row)| row);
            let mut must = |text: String| {
                assert!(row.contains(&text), "{path}.{key}: {text} is not in {row}");
                *checked += 1;
            };
            of["oneOf"].as_array().into_iter().flatten().for_each(|word| {
                word["const"].as_str().into_iter().for_each(|word| must(format!("`{word}`")));
            });
            of["enum"].as_array().into_iter().flatten().for_each(|number| must(number.to_string()));
            if let (Some(least), Some(most)) = (of["minimum"].as_u64(), of["maximum"].as_u64()) {
                must(format!("{least} to {most}"));
            }
            if let Some(most) = of["x-range"][1].as_str() {
                must(most.to_owned());
            }
            let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            walk(of, &below, rows, checked);
            walk(&of["additionalProperties"], &format!("{below}.*"), rows, checked);
        }
    }
    let mut checked = 0;
    walk(rules(), "", &page_rows(), &mut checked);
    assert!(checked > 60, "{checked}");
}

#[test]
fn the_page_s_examples_are_right() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dates")).unwrap();
    fs::write(folder.path().join("dates/2024-01.tif"), "").unwrap();
    let mut blocks = 0;
    for (language, name) in [("toml", "job.toml"), ("json", "job.json")] {
        for block in PAGE.split(&format!("\n```{language}\n")).skip(1) {
            let block = block.split("\n```").next().unwrap();
            let whole = block.contains("[function]") || language == "json";
            let text = if whole { block.to_owned() } else { format!("{LEAST}{block}") };
            if let Err(mistakes) = load_text(name, text, folder.path(), &[]) {
                panic!("{block}\n\n{mistakes}");
            }
            blocks += 1;
        }
    }
    assert!(blocks > 10);
}

#[test]
fn the_page_s_mistakes_are_real() {
    let text =
        format!("{LEAST}{}[inputs.red]\npath = \"a.tif\"\n\n\nbands = \"three\"\n\n\nresample = 1\n", "\n".repeat(5));
    let said = load("job.toml", &text, &["grid.edge=mirror"]).unwrap_err().to_string();
    assert!(PAGE.contains(&format!("```text\n{said}\n```")), "{said}");
}

#[test]
fn the_fixture_has_every_key() {
    let (keys, _) = schema_keys();
    let more = format!("{LEAST}[reduced]\npath = 'x.csv'\n[grid]\nreference = 'x.tif'\nextent_from = ['y.tif']\n");
    let expression = "[function]\nexpression = 'a'\ncast = 'strict'\n";
    let table = format!(
        "{LEAST}[table]\nrows = 9\n[inputs.a]\npath = 'x.img'\nband = 2\ncolumn = 'A'\n[outputs.b]\npath = 'x.img'\nband = 2\ncolumn = 'B'\n"
    );
    let written = [FULL, &more, expression, &table].map(|text| {
        let loaded = toml(text).unwrap();
        let mut found = BTreeSet::new();
        written_keys(&loaded.tree, "", &mut found);
        found
    });
    let written: BTreeSet<_> = written.into_iter().flatten().collect();
    for (section, keys) in keys {
        for key in keys {
            let path = if section.is_empty() { key } else { format!("{section}.{key}") };
            assert!(written.contains(&path), "{path} is not in full.toml");
        }
    }
}

fn written_keys(node: &crate::tree::Node, path: &str, found: &mut BTreeSet<String>) {
    let crate::tree::Data::Table(entries) = &node.data else {
        return;
    };
    for entry in entries {
        let key = if (matches!(path, "inputs" | "outputs") || path.ends_with(".classes")) { "*" } else { &entry.key };
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        written_keys(&entry.node, &path, found);
        found.insert(path);
    }
}

#[test]
fn the_schema_is_plain() {
    let schema = schema();
    assert_eq!(schema["title"], "tilefn job file");
    assert_eq!(schema["$id"], format!("urn:tilefn:job-file:{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(schema["required"], serde_json::json!(["function"]));
    assert_eq!(schema["$defs"]["Limits"]["properties"]["memory"]["default"], "1GiB");
    let text = schema.to_string();
    assert!(!text.contains("null"), "no key is ever null");
}
