//! The job file: from TOML or JSON text to a checked [`Spec`], with every mistake found at once.

mod each;
mod grounds;
mod mistakes;
mod overrides;
mod parse;
mod paths;
mod plan;
mod read;
mod resume;
mod schema;
pub mod spec;
mod tree;
mod units;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use each::{Scene, scenes};
pub use mistakes::{Mistake, Mistakes, Position, did_you_mean};
pub use plan::{Planning, Survey, param_value};
pub use resume::{Resume, ResumeError, Run};
pub use schema::schema;
pub use spec::Spec;
pub use tree::{item, join};
pub use units::{Nodata, Size, Time};

use tree::{Node, Source};

/// Most bytes of a job file: room for a hundred thousand paths.
const MAX_FILE: u64 = 16 << 20;

/// A job file without mistakes, with the places of its values for mistakes that planning finds.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The job. All its paths are absolute, URLs, or names that only GDAL knows.
    pub spec: Spec,
    /// The folder that relative paths belong to, absolute.
    pub base: PathBuf,
    source: Source,
    tree: Node,
}

impl Loaded {
    /// The job file's text as it was read, without the overrides.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The place where the value of a key path such as `inputs.red.bands[0]` was written; [`join`] and [`item`] make key paths.
    /// A value that isn't in the job file has the place of the innermost table or list around it.
    pub fn position(&self, key_path: &str) -> Position {
        self.source.place(self.tree.origin_of(key_path))
    }
}

/// Reads the job file at `path`, or standard input for `-`, with each `section.key=value` of `overrides` put in, and `scene`.
/// Relative paths of overrides belong to the current folder.
///
/// # Errors
/// All mistakes at once, or that the file can't be read.
pub fn load(path: &str, overrides: &[String], scene: Option<&Scene>) -> Result<Loaded, Mistakes> {
    let stdin = path == "-";
    let name = if stdin { "<stdin>" } else { path };
    let failed = |message: String| {
        let mut mistakes = Mistakes::new();
        mistakes.add(Position::File { file: name.into() }, "", message);
        mistakes
    };
    let read = || {
        let mut bytes = Vec::new();
        let source: &mut dyn Read = if stdin { &mut io::stdin().lock() } else { &mut File::open(path)? };
        source.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().map_err(|error| failed(format!("cannot read the job file: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed(format!("too large for a job file: more than {} bytes", MAX_FILE)));
    }
    let folder = if stdin { Path::new("") } else { Path::new(path).parent().unwrap_or(Path::new("")) };
    let base = if folder.as_os_str().is_empty() { std::env::current_dir() } else { std::path::absolute(folder) };
    let base = base.map_err(|error| failed(format!("cannot tell the job file's folder: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        failed(format!("not UTF-8 text: line {line} has a byte that isn't"))
    })?;
    parsed(name, text, &base, overrides, scene)
}

/// Reads a job file's text. `name`: the file's name in messages; `.json` and `.toml` decide the language, else the text's first character.
/// `base`: the absolute folder that relative paths belong to.
///
/// # Errors
/// All mistakes at once.
pub fn load_text(name: &str, text: String, base: &Path, overrides: &[String]) -> Result<Loaded, Mistakes> {
    parsed(name, text, base, overrides, None)
}

fn parsed(
    name: &str,
    text: String,
    base: &Path,
    overrides: &[String],
    scene: Option<&Scene>,
) -> Result<Loaded, Mistakes> {
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let json = match Path::new(name).extension().and_then(|e| e.to_str()) {
        Some("json") => true,
        Some("toml") => false,
        // No TOML document starts with a brace.
        _ => text.trim_start().starts_with('{'),
    };
    let source = Source::new(name, text, overrides);
    let mut mistakes = Mistakes::new();
    let Some(folder) = base.to_str() else {
        mistakes.add(source.file(), "", format!("the name of the folder {} is not UTF-8", base.display()));
        return Err(mistakes);
    };
    let here = if overrides.is_empty() { Ok(base.to_owned()) } else { std::env::current_dir() };
    let here = match here.as_deref().map(Path::to_str) {
        Ok(Some(here)) => here,
        Ok(None) => {
            mistakes.add(
                source.file(),
                "",
                "the name of the current folder, to which paths of --set belong, is not UTF-8",
            );
            return Err(mistakes);
        }
        Err(error) => {
            let message = format!("cannot tell the current folder, to which paths of --set belong: {error}");
            mistakes.add(source.file(), "", message);
            return Err(mistakes);
        }
    };
    let mut tree = parse::parse(&source, json)?;
    overrides::apply(&mut tree, overrides, &source, &mut mistakes);
    if let Some(scene) = scene {
        scene.put_into_tree(&mut tree);
    }
    paths::expand_patterns(&mut tree, (folder, here), &source, &mut mistakes);
    let spec = read::read(&tree, folder, here, &source, mistakes)?;
    Ok(Loaded { spec, base: base.to_owned(), source, tree })
}

#[cfg(test)]
mod tests;
