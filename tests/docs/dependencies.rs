//! docs/dependencies.md has every crate of the workspace's table.

use super::page::{Page, ROOT};
use std::collections::BTreeSet;

#[test]
fn every_dependency_has_its_reason() {
    let manifest: toml::Table = std::fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let used: BTreeSet<&str> =
        dependencies.iter().filter(|(_, of)| of.get("path").is_none()).map(|(name, _)| name.as_str()).collect();
    let page = Page::read("docs/dependencies.md");
    let rows = page.text.lines().filter(|l| l.starts_with("| `"));
    let documented: BTreeSet<&str> =
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
    let missing: Vec<_> = used.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/dependencies.md says nothing of {missing:?}");
    let gone: Vec<_> = documented.difference(&used).collect();
    assert!(gone.is_empty(), "docs/dependencies.md has {gone:?}, which Cargo.toml doesn't");
}
