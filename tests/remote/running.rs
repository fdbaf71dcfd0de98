//! Processes in the background: the program and its workers, watched and never left behind.

use crate::support::{Folder, Run};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Nothing here takes longer, even on a busy machine: it hangs.
const FOR_EVER: Duration = Duration::from_secs(180);
/// How often is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(10);

/// A process under test.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts `command`; its output goes to files of this name in a folder beside `folder`'s own files.
    pub fn start(folder: &Folder, name: &str, mut command: Command) -> Self {
        let logs = folder.path().join(".logs");
        std::fs::create_dir_all(&logs).unwrap();
        let [stdout, stderr] = ["out", "err"].map(|end| logs.join(format!("{name}.{end}")));
        // Workers' own tickets and files must show when they are left behind.
        std::fs::create_dir_all(folder.path().join(".tmp")).unwrap();
        command.env("TMPDIR", folder.path().join(".tmp"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Self { child: command.spawn().unwrap(), stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until `condition` holds.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(
                started.elapsed() < FOR_EVER && !self.ended(),
                "waiting until {what}; it has said:\n{}",
                self.stderr()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until it has said so.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        self.until(&format!("it says {text:?}"), |r| r.stderr().contains(text));
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(self) -> Run {
        self.wait_for(FOR_EVER)
    }

    /// Waits for its end, which must come within this time.
    #[track_caller]
    pub fn wait_for(mut self, limit: Duration) -> Run {
        let started = Instant::now();
        while !self.ended() {
            assert!(started.elapsed() < limit, "it hangs; it has said:\n{}", self.stderr());
            std::thread::sleep(LOOK);
        }
        let status = self.child.wait().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            stdout: std::fs::read_to_string(&self.stdout).unwrap(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Sends a signal, such as `KILL`; false when there is no such process any more.
pub fn signal(pid: u32, signal: &str) -> bool {
    let status =
        Command::new("kill").args(["-s", signal, &pid.to_string()]).stderr(std::process::Stdio::null()).status();
    status.unwrap().success()
}

/// The workers of this folder's tests, which are known by their folder for temporary files.
pub fn workers(folder: &Path) -> Vec<u32> {
    let mark = format!("TMPDIR={}", folder.join(".tmp").display());
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        // It may end while it is looked at; a zombie has no command line.
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let is_worker = line.split(|b| *b == 0).nth(1) == Some(b"worker");
        if is_worker && environment.split(|b| *b == 0).any(|v| v == mark.as_bytes()) {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    pids
}

/// Asserts that a run has left nothing: no worker, no ticket, no file but these (and the tests' own, hidden ones).
#[track_caller]
pub fn assert_tidy(folder: &Folder, expected: &[&str]) {
    assert_eq!(workers(folder.path()), [0_u32; 0], "workers are left");
    let temporary = std::fs::read_dir(folder.path().join(".tmp")).unwrap();
    let temporary: Vec<_> = temporary.map(|e| e.unwrap().file_name()).collect();
    assert!(temporary.is_empty(), "temporary files are left: {temporary:?}");
    let found: Vec<_> = folder.files().into_iter().filter(|f| ![".tmp", ".logs"].contains(&f.as_str())).collect();
    assert_eq!(found, expected);
}
