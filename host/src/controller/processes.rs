//! Workers as processes of this machine.

use super::fleet::{Fleet, FleetError, Roll};
use crate::wire::Ticket;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a process has to leave by itself before it is killed.
const LEAVE: Duration = Duration::from_secs(5);
/// How often a worker of the wanted number may be started anew on average before that is given up.
const RESTARTS: u32 = 8;
/// Pause before a process that died is replaced, so that one which can't start doesn't spin.
const PAUSE: Duration = Duration::from_millis(200);

/// A fixed number of worker processes, each replaced when it dies or is out of touch for too long.
pub struct Processes {
    program: PathBuf,
    count: u32,
    threads: u32,
    start_timeout: Duration,
    restarts_left: u32,
    ticket: Option<Vec<u8>>,
    children: Vec<Running>,
}

struct Running {
    child: Child,
    /// When it was connected last, or started.
    seen: Instant,
}

impl Processes {
    /// `count` processes of `program`, with `threads` compute threads each. One that isn't connected for
    /// `start_timeout` is replaced.
    pub fn new(program: PathBuf, count: u32, threads: u32, start_timeout: Duration) -> Self {
        let restarts_left = count.saturating_mul(RESTARTS);
        Self { program, count, threads, start_timeout, restarts_left, ticket: None, children: Vec::new() }
    }

    fn spawn(&mut self) -> Result<(), FleetError> {
        let Some(ticket) = &self.ticket else { return Ok(()) };
        let mut command = Command::new(&self.program);
        command
            .args(["worker", "--ticket", "-", "--threads", &self.threads.to_string(), "--kind", "process"])
            .stdin(filled(ticket).map_err(|e| FleetError(format!("can't hand a worker its ticket: {e}")))?)
            .stdout(Stdio::null())
            // Ctrl-C goes to the controller, which ends its workers in order.
            .process_group(0)
            .kill_on_drop(true);
        let child =
            command.spawn().map_err(|e| FleetError(format!("can't start {} worker: {e}", self.program.display())))?;
        self.children.push(Running { child, seen: Instant::now() });
        Ok(())
    }

    /// Waits until one of the processes has ended or has to be ended, takes it off the list, and says what happened.
    async fn next_end(&mut self, roll: &Roll) -> String {
        loop {
            let connected: Vec<u32> = roll.connected().iter().map(|about| about.pid).collect();
            let mut ended = None;
            for (n, Running { child, seen }) in self.children.iter_mut().enumerate() {
                if let Ok(Some(status)) = child.try_wait() {
                    ended = Some((n, format!("ended with {status}")));
                } else if child.id().is_some_and(|pid| connected.contains(&pid)) {
                    *seen = Instant::now();
                } else if seen.elapsed() > self.start_timeout {
                    // What remains of it ends when it is dropped.
                    ended = Some((n, format!("has not been connected for {:?}", self.start_timeout)));
                }
            }
            if let Some((n, what)) = ended {
                self.children.remove(n);
                return what;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A pipe that holds `bytes` and is closed at its writing end: a secret that is in no file, so that nothing of it can
/// remain. A ticket is far below the 4 KiB that every pipe holds without a reader.
fn filled(bytes: &[u8]) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(bytes)?;
    Ok(reader.into())
}

impl Fleet for Processes {
    async fn start(&mut self, ticket: &Ticket, _roll: &Roll) -> Result<(), FleetError> {
        self.ticket = Some(ticket.to_json().map_err(|e| FleetError(e.to_string()))?);
        for _ in 0..self.count {
            self.spawn()?;
        }
        Ok(())
    }

    async fn keep(&mut self, roll: &Roll) -> FleetError {
        loop {
            let ended = self.next_end(roll).await;
            if roll.tiles_left() == 0 {
                continue;
            }
            if self.restarts_left == 0 {
                if self.children.is_empty() {
                    return FleetError(format!("no worker process is left, the last one {ended}; too many have died"));
                }
                continue;
            }
            self.restarts_left -= 1;
            tracing::warn!("a worker process {ended}; starting another");
            if let Err(error) = self.spawn() {
                return error;
            }
        }
    }

    async fn stop(&mut self) -> Vec<String> {
        let leave = async {
            for Running { child, .. } in &mut self.children {
                // Its status is of no interest any more.
                let _status = child.wait().await;
            }
        };
        if tokio::time::timeout(LEAVE, leave).await.is_err() {
            for Running { child, .. } in &mut self.children {
                let _gone = child.kill().await;
            }
        }
        self.children.clear();
        self.ticket = None;
        Vec::new()
    }
}
