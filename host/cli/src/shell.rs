//! `tilefn completions` and `tilefn man`: the commands as shells and `man` know them.

use super::console::Console;
use super::fatal::Fatal;
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the script that completes tilefn's arguments in a shell.
pub fn completions(arguments: &Completions, mut command: Command, console: &Console) -> Result<(), Fatal> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tilefn", &mut script);
    console.script(String::from_utf8(script).map_err(Fatal::failed)?.trim_end());
    Ok(())
}

#[derive(Debug, Args)]
pub struct Man {
    /// The folder for the pages, such as ~/.local/share/man/man1; it is made
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes a page of the manual for tilefn and for each of its commands.
pub fn man(arguments: &Man, command: Command, console: &Console) -> Result<(), Fatal> {
    let folder = &arguments.folder;
    let failed = |e: std::io::Error| Fatal::failed(format!("can't write to {}: {e}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command, folder).map_err(failed)?;
    let shown = folder.display();
    console.result(&format!("wrote the manual's pages to {shown}"), "man", || json!({ "path": folder }));
    Ok(())
}
