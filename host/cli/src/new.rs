//! `tilefn new`: a function's crate, ready to build, test and run.

use super::console::Console;
use super::fatal::Fatal;
use super::sample;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The texts of a new crate: where they go, and what they are before names are filled in.
const TEXTS: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../templates/function/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../templates/function/src/lib.rs")),
    (".cargo/config.toml", include_str!("../templates/function/.cargo/config.toml")),
    (".gitignore", include_str!("../templates/function/.gitignore")),
    ("job.toml", include_str!("../templates/function/job.toml")),
    ("README.md", include_str!("../templates/function/README.md")),
];
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
}

/// Makes the crate.
pub fn new(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let name = &arguments.name;
    let function = name.replace('-', "_");
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fits) || name.len() > 64 {
        return Err(Fatal::usage(format!(
            "{name:?} can't be a function's name: use small letters, digits, - and _, and begin with a letter"
        )));
    }
    if RESERVED.split(' ').any(|word| word == function) {
        return Err(Fatal::usage(format!("{name:?} can't be a function's name: it means something else in Rust")));
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
    let sdk = sdk();
    for (path, text) in TEXTS {
        let text = text.replace("{{name}}", name).replace("{{function}}", &function);
        write(path, text.replace("{{sdk}}", &sdk).as_bytes())?;
    }
    sample::write(&folder.join("made-up.tif")).map_err(Fatal::failed)?;
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
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/tilefn-guest"));
    match source.canonicalize() {
        Ok(path) if path.join("Cargo.toml").is_file() => format!("{{ path = {:?} }}", path.display().to_string()),
        _ => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}
