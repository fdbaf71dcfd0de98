//! A run of the program under way, that tests watch and disturb.

use super::{Folder, Run};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run under way.
pub struct Running {
    pub child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// `tilefn run job.toml --overwrite` with further arguments, separated by spaces.
    pub fn start(f: &Folder, arguments: &str) -> Self {
        let mut command = f.command();
        command.args(["run", "job.toml", "--overwrite"]).args(arguments.split_whitespace());
        Self::of(command)
    }

    /// The command, started.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    /// Waits for a line with this text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "no {text:?} in:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(text) {
                return self;
            }
        }
    }

    /// Waits until something can be seen from outside. False if the run has ended before.
    #[track_caller]
    pub fn wait_until(&mut self, seen: impl Fn() -> bool) -> bool {
        let started = Instant::now();
        while !seen() {
            if self.child.try_wait().unwrap().is_some() {
                return seen();
            }
            assert!(started.elapsed() < PATIENCE, "it never happened; said:\n{}", self.said);
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    pub fn signal(&mut self, name: &str) -> &mut Self {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
        self
    }

    pub fn end(mut self) -> Run {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout: String::new(), stderr: self.said }
    }
}
