//! Workers as processes of this machine, each on a connection of its own that it is started with.

use super::fleet::FleetError;
use super::remote_job::RemoteJob;
use super::server;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{AbortHandle, JoinSet};
use wire::{Pool, Socket};

/// How long a process has to end by itself once its connection is over, before it is killed.
const LEAVE: Duration = Duration::from_secs(5);
/// The fleet gives up after this many restarts for each wanted process, on average.
const RESTARTS: u32 = 8;
/// Pause between two looks for processes that have died. It also slows down a program that can't start.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause between two looks whether a process that was told to end has ended.
const LOOK: Duration = Duration::from_millis(1);

/// A fixed number of worker processes. Each is replaced when it dies or its connection ends. Dropping this ends them all.
pub struct Processes {
    program: PathBuf,
    threads: u32,
    start_timeout: Duration,
    restarts_left: u32,
    children: Vec<Running>,
    sessions: JoinSet<()>,
}

struct Running {
    process: Child,
    link: Link,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both calls fail only for a process that has ended and been waited for.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// The state of the connection with a process.
enum Link {
    /// The session has not begun: the process loads, and waits.
    Waiting(Socket),
    /// The session is held.
    Held(AbortHandle),
    /// The session is over, since then.
    Over(Instant),
}

impl Processes {
    /// Starts `count` processes with `threads` compute threads each. They load while the job is planned. Once the job runs, a
    /// process that doesn't greet within `start_timeout` is replaced.
    ///
    /// # Errors
    /// When a process can't be started.
    pub fn start(program: PathBuf, count: u32, threads: u32, start_timeout: Duration) -> Result<Self, FleetError> {
        let mut processes = Self::none(program, count, threads, start_timeout);
        for _ in 0..count {
            processes.spawn()?;
        }
        Ok(processes)
    }

    fn none(program: PathBuf, count: u32, threads: u32, start_timeout: Duration) -> Self {
        let restarts_left = count.saturating_mul(RESTARTS);
        let (children, sessions) = (Vec::new(), JoinSet::new());
        Self { program, threads, start_timeout, restarts_left, children, sessions }
    }

    fn spawn(&mut self) -> Result<(), FleetError> {
        let running =
            self.command().map_err(|e| FleetError(format!("can't start {} worker: {e}", self.program.display())))?;
        self.children.push(running);
        Ok(())
    }

    fn command(&self) -> io::Result<Running> {
        let (ours, theirs) = Socket::pair()?;
        let process = Command::new(&self.program)
            .args(["worker", "--connected", "--threads", &self.threads.to_string()])
            .stdin(theirs)
            .stdout(Stdio::null())
            // Ctrl-C goes to the controller, which ends its workers in order.
            .process_group(0)
            .spawn()?;
        Ok(Running { process, link: Link::Waiting(ours) })
    }

    /// Holds sessions with the workers, and replaces those that die. Returns only when no worker is left and none can be started.
    pub(super) async fn keep(&mut self, job: &Arc<RemoteJob>, pool: &Pool) -> FleetError {
        loop {
            self.begin_sessions(job, pool);
            let ended = self.next_end(job).await;
            if job.workers.tiles_left() == 0 {
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

    /// Begins the sessions that have not begun.
    fn begin_sessions(&mut self, job: &Arc<RemoteJob>, pool: &Pool) {
        for Running { link, .. } in &mut self.children {
            *link = match std::mem::replace(link, Link::Over(Instant::now())) {
                Link::Waiting(socket) => {
                    let session = server::serve_process(job.clone(), socket, pool.clone(), self.start_timeout);
                    Link::Held(self.sessions.spawn(session))
                }
                begun => begun,
            };
        }
    }

    /// Waits until one of the processes has ended or has to be ended, takes it off the list, and says what happened.
    async fn next_end(&mut self, job: &RemoteJob) -> String {
        loop {
            while let Some(ended) = self.sessions.try_join_next() {
                server::look_at(job, ended);
            }
            let mut ended = None;
            for (n, Running { process, link }) in self.children.iter_mut().enumerate() {
                if matches!(link, Link::Held(session) if session.is_finished()) {
                    *link = Link::Over(Instant::now());
                }
                if let Ok(Some(status)) = process.try_wait() {
                    ended = Some((n, format!("ended with {status}")));
                } else if matches!(link, Link::Over(since) if since.elapsed() > LEAVE) {
                    // Dropping it kills the process.
                    ended = Some((n, "is out of touch".to_owned()));
                }
            }
            if let Some((n, what)) = ended {
                self.children.remove(n);
                return what;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The sessions. They end by themselves once the job has ended.
    pub(super) fn sessions(&mut self) -> &mut JoinSet<()> {
        &mut self.sessions
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let asked = Instant::now();
        for Running { process, link } in &mut self.children {
            // A process without a session has nothing to finish, so it is killed at once.
            while !matches!(link, Link::Waiting(_)) && asked.elapsed() < LEAVE && matches!(process.try_wait(), Ok(None))
            {
                std::thread::sleep(LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::liveness::remote_job;
    use super::*;

    async fn end_of(program: &str) -> String {
        let mut processes = Processes::none(program.into(), 1, 1, Duration::from_secs(60));
        processes.spawn().unwrap();
        processes.keep(&remote_job(), &Pool::new(1 << 20)).await.to_string()
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let mut processes = Processes::none("/nonexistent/tilefn".into(), 1, 1, Duration::from_secs(60));
        let error = processes.spawn().unwrap_err();
        assert_eq!(error.to_string(), "can't start /nonexistent/tilefn worker: No such file or directory (os error 2)");
    }

    #[tokio::test(start_paused = true)]
    async fn processes_that_can_not_work_are_started_only_so_often() {
        assert_eq!(
            end_of("/bin/false").await,
            "no worker process is left, the last one ended with exit status: 1; too many have died"
        );
    }
}
