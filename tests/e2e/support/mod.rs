//! What the tests share: a folder with a job in it, the program's runs, rasters, guest modules.

mod data;
mod modules;
mod python;
mod running;
pub mod s3;

pub use data::scenes;
pub use modules::module;
pub use running::Running;

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The program under test.
pub const TILEFN: &str = env!("CARGO_BIN_EXE_tilefn-under-test");

/// The module with the tests' own functions.
#[track_caller]
pub fn probe() -> PathBuf {
    module("tests/guests/probe")
}

/// A folder for one test, gone at its end.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tilefn-e2e-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs Python code here; see [`python`](python::python).
    #[track_caller]
    pub fn python(&self, code: &str) -> Value {
        python::python(self.path(), code)
    }

    /// Writes a job file for a function of the probe; `rest` follows the `[function]` table.
    #[track_caller]
    pub fn job(&self, function: &str, rest: &str) -> &Self {
        let module = probe();
        self.write("job.toml", &format!("[function]\nmodule = {module:?}\nname = {function:?}\n{rest}"))
    }

    /// Writes a text file.
    pub fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Names of everything here, hidden files too.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, to be run here.
    pub fn command(&self) -> Command {
        let mut command = Command::new(TILEFN);
        command.current_dir(self.path()).env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        for default in ["TILEFN_LOG", "TILEFN_THREADS", "TILEFN_DASHBOARD"] {
            command.env_remove(default);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program here.
    pub fn tilefn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        Run::of(self.command().args(arguments).output().unwrap())
    }

    /// `tilefn run job.toml` with further arguments, separated by spaces.
    pub fn run(&self, arguments: &str) -> Run {
        self.tilefn(["run", "job.toml"].into_iter().chain(arguments.split_whitespace()))
    }

    /// Runs the job, which must succeed, and returns its report.
    #[track_caller]
    pub fn report(&self, arguments: &str) -> Value {
        let report = self.path().join(".report.json");
        let run = self.run(&format!("{arguments} --report .report.json"));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let text = std::fs::read(&report).unwrap();
        std::fs::remove_file(&report).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// The message of the error that ended it, which must have had this exit code. It begins a line: a warning before
    /// it may well say "connection error: …".
    #[track_caller]
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        let begins = |at: &usize| *at == 0 || self.stderr[..*at].ends_with('\n');
        let at = self.stderr.match_indices("error: ").map(|(at, _)| at).find(begins);
        let at = at.unwrap_or_else(|| panic!("no error in:\n{}", self.stderr));
        self.stderr[at + "error: ".len()..].trim_end()
    }
}

/// Asserts that the message is the expected one; `~` in it stands for the test's folder.
#[track_caller]
pub fn assert_message(folder: &Folder, message: &str, expected: &str) {
    assert_eq!(message.replace(folder.path().to_str().unwrap(), "~"), expected);
}
