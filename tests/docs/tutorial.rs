//! docs/start.md, literally: its commands are run, its files written, its outputs compared.
//!
//! A block after a line that ends in "`path`:" is that file's content. `sh` blocks run one after the other. A `text` block is
//! what the command before it prints; `…` there stands for anything.

use super::page::{Block, Page};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn the_tutorial_works() {
    let home = tempfile::Builder::new().prefix("tilefn-start-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut printed = String::new();
    let mut commands = 0;
    for block in Page::read("docs/start.md").blocks() {
        match &*block.language {
            // How to get the program, and its runtime for Python: `scripts/test.sh python_runtime` has installed it.
            "sh" if block.text.contains("make ") || block.text.contains("python install") => {}
            "sh" => {
                printed = run(home.path(), &block);
                commands += 1;
            }
            "text" => compare(&block, &printed),
            "rust" | "toml" | "python" => std::fs::write(home.path().join(path(&block)), &block.text).unwrap(),
            _ => panic!("{}: a block of {}", block.place, block.language),
        }
    }
    assert!(commands >= 5, "{commands}");
    // What the reader gets is a picture, not nothing.
    for file in ["water/ndwi.tif", "water/water.tif", "shore/shore.tif"] {
        let bands = raster::complete(home.path().join(file).to_str().unwrap(), None, &mut |_| true).unwrap();
        assert!(bands.iter().all(|band| band.count > 150 * 150 / 2 && band.max > band.min), "{file}: {bands:?}");
    }
    the_report_has_the_keys_of_its_page(&home.path().join("shore/report.json"));
}

fn path(block: &Block) -> &str {
    let named = block.before.strip_suffix("`:").and_then(|line| line.rsplit_once('`'));
    named.unwrap_or_else(|| panic!("{}: no file is named before this", block.place)).1
}

/// Runs a block's commands with the built program as `tilefn`; returns all that they print.
fn run(home: &Path, block: &Block) -> String {
    let programs = home.join(".bin");
    if !programs.exists() {
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tilefn-under-test"), programs.join("tilefn")).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // Every command with the same folder, as in a terminal; `cd` lasts until the next block.
    let place = home.join(".place");
    let script =
        format!("set -eu\nexec 2>&1\n[ ! -e {place:?} ] || cd \"$(cat {place:?})\"\n{}\npwd > {place:?}\n", block.text);
    let guests = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(home)
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", std::env::var_os("TILEFN_GUEST_TARGET").unwrap_or(guests.into()))
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .env_remove("TILEFN_LOG")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {}\n{printed}", block.place, block.text);
    printed
}

/// Every line of the block was printed, in this order.
fn compare(block: &Block, printed: &str) {
    let mut lines = printed.lines();
    for expected in block.text.lines().filter(|l| !l.trim().is_empty()) {
        assert!(
            lines.any(|line| fits(expected, line)),
            "{}: not printed: {expected}\n\nprinted:\n{printed}",
            block.place
        );
    }
}

/// Whether a line is as expected, where `…` stands for anything.
fn fits(expected: &str, line: &str) -> bool {
    let mut rest = line;
    let mut parts = expected.trim_end().split('…');
    let first = parts.next().unwrap();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.trim_end().is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.trim_end().ends_with(last)
}

/// The keys of docs/report.md are those of a report.
fn the_report_has_the_keys_of_its_page(report: &Path) {
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let page = Page::read("docs/report.md");
    let rows = page.text.lines().filter_map(|l| l.strip_prefix("| `")).map(|l| l.split_once('`').unwrap().0.to_owned());
    // A test of AWS compares those.
    let documented: BTreeSet<String> = rows.filter(|key| !key.starts_with("aws.")).collect();
    let mut found = BTreeSet::new();
    keys("", &report, &mut found);
    // Only functions that accumulate have a result, only runs that failed an error, and only some jobs parameters from files.
    found.extend(["result".into(), "result_path".into(), "error".into(), "job.params_sha256".into()]);
    assert_eq!(found, documented);
}

fn keys(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                keys(&format!("{path}{}{key}", if path.is_empty() { "" } else { "." }), value, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().for_each(|item| keys(&format!("{path}[]"), item, found));
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}
