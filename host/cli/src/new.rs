//! `tilefn new`: a function's crate, or its Python file, ready to test and run.

use super::console::Console;
use super::fatal::Fatal;
use super::{sample, sdk};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The files of a new function: where they go, and their texts before names are filled in, in both.
type Texts = &'static [(&'static str, &'static str)];

const CRATE: Texts = &[
    ("Cargo.toml", include_str!("../templates/function/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../templates/function/src/lib.rs")),
    (".cargo/config.toml", include_str!("../templates/function/.cargo/config.toml")),
    (".gitignore", include_str!("../templates/function/.gitignore")),
    ("job.toml", include_str!("../templates/function/job.toml")),
    ("README.md", include_str!("../templates/function/README.md")),
];
const PYTHON: Texts = &[
    ("{{function}}.py", include_str!("../templates/python/function.py.in")),
    ("test_{{function}}.py", include_str!("../templates/python/test_function.py.in")),
    (".gitignore", include_str!("../templates/python/.gitignore")),
    ("job.toml", include_str!("../templates/python/job.toml")),
    ("README.md", include_str!("../templates/python/README.md")),
];
/// Names that Python keeps for itself, or that belong to a module which the function's test imports.
const RESERVED_IN_PYTHON: &str = "and as assert async await break class continue def del elif else except finally for \
    from global if import in is lambda nonlocal not numpy or pass pytest raise return scipy tilefn try while with yield";
/// Names that Rust keeps for itself, or that belong to a crate which a function needs.
const RESERVED: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern \
    false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref \
    return self static std struct super test tilefn_guest trait true try type typeof unsafe unsized use \
    virtual where while yield";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the function and of its folder: small letters, digits, - and _
    name: String,
    /// Where to make the folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    parent: PathBuf,
    /// Make a function in Python, not in Rust
    #[arg(long)]
    python: bool,
}

/// Makes the folder.
pub fn new(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let name = &arguments.name;
    let function = name.replace('-', "_");
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) || name.len() > 64 {
        return Err(Fatal::usage(format!(
            "{name:?} can't be a function's name: use small letters, digits, - and _, and begin with a letter"
        )));
    }
    let (language, reserved) = if arguments.python { ("Python", RESERVED_IN_PYTHON) } else { ("Rust", RESERVED) };
    if reserved.split(' ').any(|word| word == function) {
        return Err(Fatal::usage(format!(
            "{name:?} can't be a function's name: it means something else in {language}"
        )));
    }
    let folder = arguments.parent.join(name);
    let failed = |path: &Path, e: std::io::Error| Fatal::failed(format!("can't write {}: {e}", path.display()));
    // Only for this user's own new folder: what is there is never written into.
    std::fs::create_dir_all(&arguments.parent).map_err(|e| failed(&arguments.parent, e))?;
    std::fs::create_dir(&folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Fatal::usage(format!("{} exists", folder.display())),
        _ => failed(&folder, e),
    })?;
    let write = |path: &str, content: &[u8]| {
        let path = folder.join(path);
        let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        parent.and_then(|()| std::fs::write(&path, content)).map_err(|e| failed(&path, e))
    };
    let package = python_sdk();
    let filled =
        |text: &str| text.replace("{{name}}", name).replace("{{function}}", &function).replace("{{sdk}}", &package);
    for (path, text) in if arguments.python { PYTHON } else { CRATE } {
        write(&filled(path), filled(text).as_bytes())?;
    }
    if !arguments.python {
        for (path, text) in sdk::files().map_err(Fatal::failed)? {
            write(&format!("sdk/{path}"), text.as_bytes())?;
        }
    }
    sample::write(&folder.join("made-up.tif")).map_err(Fatal::failed)?;
    let shown = folder.display();
    let next = if arguments.python {
        format!("edit {shown}/{function}.py, then\n  pytest {shown}\n  tilefn run {shown}/job.toml")
    } else {
        format!("edit {shown}/src/lib.rs, then\n  tilefn build {shown}\n  tilefn run {shown}/job.toml")
    };
    console.result(&format!("made {shown}: {next}"), "new", || json!({ "folder": folder }));
    Ok(())
}

/// What pip installs for the tests: the package that this program was built with where that is still there, else the published
/// one.
fn python_sdk() -> String {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/python"));
    match source.canonicalize() {
        Ok(path) if path.join("pyproject.toml").is_file() => path.display().to_string(),
        _ => format!("tilefn=={}", env!("CARGO_PKG_VERSION")),
    }
}
