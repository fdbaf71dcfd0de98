//! `tilefn new`: a function's crate, ready to build, test and run.

use super::Fatal;
use super::console::Console;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The files of a new crate: where they go, and what they are before names are filled in.
const FILES: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../../templates/function/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../templates/function/src/lib.rs")),
    (".cargo/config.toml", include_str!("../../templates/function/.cargo/config.toml")),
    (".gitignore", include_str!("../../templates/function/.gitignore")),
    ("job.toml", include_str!("../../templates/function/job.toml")),
    ("README.md", include_str!("../../templates/function/README.md")),
];

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the function and of its folder: small letters, digits, - and _
    name: String,
    /// Where to make the folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    parent: PathBuf,
}

/// Makes the crate.
pub fn new(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let name = &arguments.name;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) || name.len() > 64 {
        return Err(Fatal::usage(format!(
            "{name:?} can't be a function's name: use small letters, digits, - and _, and begin with a letter"
        )));
    }
    let folder = arguments.parent.join(name);
    if folder.exists() {
        return Err(Fatal::usage(format!("{} exists", folder.display())));
    }
    let write = |path: &Path, text: &str| -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)
    };
    for (path, text) in FILES {
        let text = text
            .replace("{{name}}", name)
            .replace("{{function}}", &name.replace('-', "_"))
            .replace("{{sdk}}", &sdk());
        let path = folder.join(path);
        write(&path, &text).map_err(|e| Fatal::failed(format!("can't write {}: {e}", path.display())))?;
    }
    let shown = folder.display();
    console.result(
        &format!("made {shown}: edit {shown}/src/lib.rs, then\n  tilefn build {shown}\n  tilefn run {shown}/job.toml"),
        "new",
        || json!({ "folder": folder }),
    );
    Ok(())
}

/// The dependency on the SDK: the one this program was built with where that is still there, else the published one.
fn sdk() -> String {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/tilefn-guest"));
    match source.canonicalize() {
        Ok(path) if path.join("Cargo.toml").is_file() => format!("{{ path = {:?} }}", path.display().to_string()),
        _ => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}
