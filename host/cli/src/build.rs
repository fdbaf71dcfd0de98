//! `tilefn build`: compiles a function's crate to a module with the Rust that is installed here; or an expression.

use super::build_expression;
use super::build_folder::{self, BuildFolder};
use super::console::Console;
use super::fatal::Fatal;
use super::inspect;
use clap::Args;
use sandbox::Module;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// cargo's variable for that setting of the release profile.
const OVERFLOW_CHECKS: &str = "CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The crate's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to put the module; default: NAME.wasm in the crate's folder
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    expression: build_expression::Arguments,
}

/// Builds the module and checks that it is one.
pub fn build(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    if let Some(module) = arguments.expression.module()? {
        let output =
            arguments.output.as_ref().ok_or_else(|| Fatal::usage("an expression's module needs --output FILE"))?;
        // Nothing is written that no job could use.
        let checked = inspect::compile_bytes(&module)?.map_err(|e| build_expression::in_expression(&e))?;
        std::fs::write(output, module).map_err(|e| Fatal::failed(format!("can't write {}: {e}", output.display())))?;
        show(output, &checked, console);
        return Ok(());
    }
    let folder = &arguments.folder;
    if !folder.join("Cargo.toml").is_file() {
        return Err(Fatal::usage(format!(
            "{} has no Cargo.toml; tilefn new makes a function's crate",
            folder.display()
        )));
    }
    let output = make(folder, arguments.output.as_deref(), console)?;
    show(&output, &inspect::compile(&output, &[])?, console);
    Ok(())
}

/// Builds the crate's module into `output`, else beside its manifest; returns where it is.
fn make(folder: &Path, output: Option<&Path>, console: &Console) -> Result<PathBuf, Fatal> {
    // Until the module has been copied.
    let shared = build_folder::shared(folder, TARGET);
    let built = compile(folder, &toolchain()?, shared.as_ref(), console)?;
    let name = built.file_name().ok_or_else(|| Fatal::failed("cargo named a module without a name"))?;
    let output = output.map_or_else(|| folder.join(name), Path::to_owned);
    std::fs::copy(&built, &output).map_err(|e| Fatal::failed(format!("can't write {}: {e}", output.display())))?;
    Ok(output)
}

/// Builds the module of a job that names it.
#[cfg(feature = "gdal")]
pub fn build_module(folder: &Path, module: &Path, console: &Console) -> Result<(), Fatal> {
    make(folder, Some(module), console).map(drop)
}

/// Says what a built module is.
fn show(output: &Path, module: &Module, console: &Console) {
    console.result(
        &inspect::text(output, module),
        "built",
        || serde_json::json!({ "module": output, "bytes": module.size(), "sha256": module.sha256() }),
    );
}

/// How this machine can compile for WebAssembly.
enum Toolchain {
    /// The target's standard library is installed.
    Target,
    /// Its source is, and is compiled along.
    BuildStd,
}

fn toolchain() -> Result<Toolchain, Fatal> {
    let ask = |arguments: &[&str]| -> Result<PathBuf, Fatal> {
        let output = Command::new("rustc").args(arguments).output().map_err(|e| {
            Fatal::failed(format!(
                "can't run rustc: {e}; a function is written in Rust: install it from https://rustup.rs"
            ))
        })?;
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    };
    let library = ask(&["--print", "target-libdir", "--target", TARGET])?;
    let has_std = std::fs::read_dir(&library).is_ok_and(|mut entries| {
        entries.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libstd-")))
    });
    if has_std {
        return Ok(Toolchain::Target);
    }
    if ask(&["--print", "sysroot"])?.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file() {
        return Ok(Toolchain::BuildStd);
    }
    Err(Fatal::failed(format!(
        "Rust's WebAssembly target is not installed. With rustup: rustup target add {TARGET}. With Debian's Rust: \
         apt install libstd-rust-dev-wasm32 lld"
    )))
}

/// Runs cargo; returns the path of the module it made.
fn compile(
    folder: &Path,
    toolchain: &Toolchain,
    shared: Option<&BuildFolder>,
    console: &Console,
) -> Result<PathBuf, Fatal> {
    let mut cargo = Command::new("cargo");
    // In the crate's folder, so that its .cargo/config.toml counts.
    cargo.current_dir(folder).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    if std::env::var_os(OVERFLOW_CHECKS).is_none() && !sets_overflow_checks(folder) {
        cargo.env(OVERFLOW_CHECKS, "true");
    }
    if let Some(shared) = shared {
        cargo.arg("--target-dir").arg(&shared.path);
    }
    if let Toolchain::BuildStd = toolchain {
        cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
    }
    if console.json() {
        cargo.stderr(Stdio::null());
    }
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(|e| Fatal::failed(format!("can't run cargo: {e}")))?;
    let mut module = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            module = artifact(&message).or(module);
        }
    }
    let status = child.wait().map_err(|e| Fatal::failed(format!("cargo: {e}")))?;
    if !status.success() {
        return Err(Fatal::failed(format!("cargo build in {} failed; its messages are above", folder.display())));
    }
    module.ok_or_else(|| {
        Fatal::usage(format!(
            "{} makes no module: its Cargo.toml needs [lib] crate-type = [\"cdylib\"]",
            folder.display()
        ))
    })
}

/// Whether the manifest of the crate, or of the workspace around it, says itself if integers may wrap in a release.
///
/// They may by cargo's default: a module would go on with wrong pixels where the function's tests panic.
fn sets_overflow_checks(folder: &Path) -> bool {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder).args(["locate-project", "--workspace", "--message-format=plain"]);
    // What can't be read here, cargo complains of next.
    let manifest = cargo.output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let manifest = manifest.and_then(|path| std::fs::read_to_string(path.trim()).ok());
    let manifest = manifest.and_then(|text| toml::from_str::<toml::Table>(&text).ok());
    manifest.is_some_and(|manifest| {
        let release = manifest.get("profile").and_then(|profile| profile.get("release"));
        release.is_some_and(|release| release.get("overflow-checks").is_some())
    })
}

/// The module that this message of cargo's announces, if it does.
fn artifact(message: &Value) -> Option<PathBuf> {
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    let files = message.get("filenames")?.as_array()?;
    files.iter().filter_map(Value::as_str).find(|f| f.ends_with(".wasm")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_sets_overflow_checks_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.join("src")).unwrap();
            std::fs::write(path.join("src/lib.rs"), "").unwrap();
            std::fs::write(path.join("Cargo.toml"), text).unwrap();
            path
        };
        let package = "[package]\nname = \"f\"\n";
        for (profile, sets) in [
            ("", false),
            ("[profile.release]\nlto = true\n", false),
            ("[profile.dev]\noverflow-checks = false\n", false),
            ("[profile.release]\noverflow-checks = true\n", true),
            ("[profile.release]\noverflow-checks = false\n", true),
        ] {
            let folder = write("f", &format!("{package}{profile}[workspace]\n"));
            assert_eq!(sets_overflow_checks(&folder), sets, "{profile}");
        }
        // In a workspace the profile of its root counts, and a member's doesn't.
        let member = write("w/f", &format!("{package}[profile.release]\noverflow-checks = false\n"));
        write("w", "[workspace]\nmembers = [\"f\"]\n");
        assert!(!sets_overflow_checks(&member));
        write("w", "[workspace]\nmembers = [\"f\"]\n[profile.release]\noverflow-checks = false\n");
        assert!(sets_overflow_checks(&member));
        assert!(!sets_overflow_checks(&write("broken", "[package\n")));
    }
}
