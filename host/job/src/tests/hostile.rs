//! Whatever the text, the reader answers with a job or with mistakes that have places in it.

use proptest::prelude::*;

use super::{FULL, load};
use crate::{Loaded, Mistakes, Position, Spec};

/// What must hold of any answer.
fn sound(text: &str, answer: Result<Loaded, Mistakes>) {
    match answer {
        Ok(loaded) => {
            let json = serde_json::to_string(&loaded.spec).unwrap();
            serde_json::from_str::<Spec>(&json).unwrap();
            load("job.json", &json, &[]).unwrap();
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in &mistakes {
                assert!(!mistake.message.is_empty());
                let Position::Text { line, column, .. } = mistake.place else {
                    continue;
                };
                let length = text.split('\n').nth(line - 1).unwrap().chars().count();
                assert!(column <= length + 1, "{mistake}");
            }
        }
    }
}

fn full_json() -> String {
    serde_json::to_string_pretty(&super::toml(FULL).unwrap().spec).unwrap()
}

/// Replaces characters by other text; `at` is where, in thousandths of the text.
fn splice(text: &str, at: usize, length: usize, new: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let start = chars.len() * at / 1000;
    let end = (start + length).min(chars.len());
    chars[..start].iter().chain(new.chars().collect::<Vec<_>>().iter()).chain(&chars[end..]).collect()
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,6}",
        "[\\[\\]{}=\"'.,#\\\\\r\n\t0-9a-zé-]{0,8}",
        Just("nan".to_owned()),
        Just("-99999999999999999999".to_owned()),
        Just("1e999".to_owned()),
        Just("2024-01-01".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("\"\"".to_owned()),
    ]
}

/// A value of any type, as TOML.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}").replace("NaN", "nan")),
        any::<bool>().prop_map(|b| b.to_string()),
        "\\PC{0,12}".prop_map(|s| toml::Value::String(s).to_string()),
        fragment(),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(inner, 0..3).prop_map(|items| {
                let entries: Vec<_> = items.iter().enumerate().map(|(i, item)| format!("k{i} = {item}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

fn keys() -> Vec<String> {
    let mut keys = std::collections::BTreeSet::new();
    let mut section = String::new();
    for line in FULL.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            keys.insert(section.clone());
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_text(text in "(?s).{0,200}") {
        for name in ["job.toml", "job.json", "job"] {
            sound(&text, load(name, &text, &[]));
        }
    }

    #[test]
    fn a_job_with_changes(changes in prop::collection::vec((0usize..1000, 0usize..12, fragment()), 1..4)) {
        let (mut toml, mut json) = (FULL.to_owned(), full_json());
        for (at, length, new) in changes {
            toml = splice(&toml, at, length, &new);
            json = splice(&json, at, length, &new);
        }
        sound(&toml, load("job.toml", &toml, &[]));
        sound(&json, load("job.json", &json, &[]));
    }

    #[test]
    fn any_override(argument in "(?s).{0,60}") {
        sound(FULL, load("job.toml", FULL, &[&argument]));
    }

    #[test]
    fn any_value_for_any_key(key in prop::sample::select(keys()), value in value()) {
        let argument = format!("{key}={value}");
        sound(FULL, load("job.toml", FULL, &[&argument]));
    }
}

#[test]
fn deep_nesting() {
    for depth in [100, 100_000] {
        let toml = format!("a = {}", "[".repeat(depth));
        sound(&toml, load("job.toml", &toml, &[]));
        let closed = format!("[params]\na = {}{}", "[".repeat(depth), "]".repeat(depth));
        sound(&closed, load("job.toml", &closed, &[]));
        let json = format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        sound(&json, load("job.json", &json, &[]));
        sound(FULL, load("job.toml", FULL, &[&format!("params.a={}", "[".repeat(depth))]));
        sound(FULL, load("job.toml", FULL, &[&format!("{}a=1", "a.".repeat(depth.min(10_000)))]));
    }
}

#[test]
fn large_lists() {
    // One line of JSON; work that is quadratic in it would take minutes.
    let job = |path: &str| {
        let paths = vec![path; 100_000].join(", ");
        format!("{{\"function\": {{\"module\": \"m\"}}, \"inputs\": {{\"a\": {{\"paths\": [{paths}, 3]}}}}}}")
    };
    assert_eq!(load("job.json", &job("\"scene.tif\""), &[]).unwrap_err().len(), 1);
    assert_eq!(load("job.json", &job("1"), &[]).unwrap_err().len(), 20);
}
