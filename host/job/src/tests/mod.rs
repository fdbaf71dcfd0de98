//! Whole job files: what they are read into, what is said about wrong ones, and that page, schema and reader agree.

mod agreement;
mod classes;
mod fleets;
mod hostile;
mod messages;
mod values;

use std::path::Path;

use super::{Loaded, Mistakes, load_text};

const FULL: &str = include_str!("../testdata/full.toml");
/// A job with nothing but what's needed; sections are appended to it.
const LEAST: &str = "[function]\nmodule = \"m.wasm\"\n";

fn load(name: &str, text: &str, overrides: &[&str]) -> Result<Loaded, Mistakes> {
    let overrides: Vec<_> = overrides.iter().map(|o| (*o).to_owned()).collect();
    load_text(name, text.to_owned(), Path::new("/jobs"), &overrides)
}

fn toml(text: &str) -> Result<Loaded, Mistakes> {
    load("job.toml", text, &[])
}
