//! The names in the documentation are those that are served.

use crate::client::{get, until};
use crate::hangs;
use crate::job::Job;
use serde_json::Value;
use std::collections::BTreeSet;

/// First cells of the tables under a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dashboard.md")).unwrap();
    let section = page.split("\n## ").find(|s| s.starts_with(heading)).expect("the section");
    section.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect()
}

/// All keys, as `a.b` and, in lists, `a[].b`.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        Value::Array(list) if list.first().is_some_and(Value::is_object) => {
            list.iter().for_each(|v| keys(v, &format!("{path}[]"), found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_name_is_documented_and_every_documented_name_is_served() {
    let job = Job::start(&["run", "--workers", "threads:1"]);
    let mut served = BTreeSet::new();
    keys(&until(job.address, hangs), "", &mut served);
    let mut expected = documented("status.json");
    // This job has no parameters.
    assert!(expected.remove("job.params_sha256"));
    assert_eq!(served, expected);
    let metrics = get(job.address, "/metrics").body;
    let types = metrics.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(types.map(str::to_owned).collect::<BTreeSet<_>>(), documented("Metrics"));
}
