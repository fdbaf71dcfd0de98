//! Tests of Python functions: jobs whose pixels numpy on this machine knows too, and programs that do what they must not.
//!
//! They need the runtime in the tests' cache: `scripts/test.sh python_runtime` installs it.

// For clippy: helpers outside `#[test]` functions are tests too.
#![cfg(test)]

#[expect(dead_code, reason = "the end-to-end tests' support; what is not needed here is needed there")]
#[path = "../e2e/support/mod.rs"]
mod support;

#[path = "../gallery/mod.rs"]
mod gallery;
mod python_hostile;
mod python_jobs;
mod python_runtime;

use std::path::PathBuf;
use support::{Folder, ROOT};

/// One of the functions beside these tests.
fn function(name: &str) -> PathBuf {
    PathBuf::from(ROOT).join("tests/python/functions").join(name).canonicalize().unwrap()
}

/// Writes a job for one of the functions; `rest` follows the `[function]` table's module.
fn job<'a>(f: &'a Folder, name: &str, rest: &str) -> &'a Folder {
    f.write("job.toml", &format!("[function]\nmodule = {:?}\n{rest}", function(name)))
}
