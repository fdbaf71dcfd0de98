//! Jobs: run on a thread of their own, while Python's looks for Ctrl-C and shows how far they are.

use super::stopped::{failed, stopped};
use cli::api::{Held, Job, PROGRAM, Request, run as run_job};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often Python is asked whether it goes on.
const LOOK: Duration = Duration::from_millis(100);

/// Runs a job: a job file's path, or a job in JSON whose relative paths belong to `folder`. `progress` is called some times a second with the tiles that are
/// done, those of them that were skipped, and all there are. Returns JSON.
#[pyfunction]
pub fn run(
    py: Python<'_>,
    path: Option<String>,
    text: Option<String>,
    folder: PathBuf,
    options: (Vec<String>, bool, bool, bool),
    progress: Option<Py<PyAny>>,
) -> PyResult<String> {
    let job = match (path, text) {
        (Some(path), _) => Job::File(path),
        (None, text) => Job::Text { text: text.unwrap_or_default(), folder },
    };
    let (set, overwrite, resume, dry_run) = options;
    let request = Request { job, set, overwrite, resume, dry_run };
    let held = Held::default();
    let (done, mut result) = channel();
    std::thread::scope(|scope| {
        let held = &held;
        let thread = std::thread::Builder::new().name("job".to_owned());
        let started = thread.spawn_scoped(scope, move || done.send(run_job(request, held)));
        started.map_err(|e| failed(format!("the system gives no more threads: {e}")))?;
        let mut interrupted: Option<PyErr> = None;
        loop {
            let result = &mut result;
            match py.detach(move || result.recv_timeout(LOOK)) {
                Ok(ended) => {
                    return match (interrupted, ended) {
                        (Some(error), _) => Err(error),
                        (None, Ok(value)) => Ok(value.to_string()),
                        (None, Err(error)) => Err(stopped(error)),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Err(failed("the job ended without a result")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let counts = held.control.counts();
            let shown = progress
                .as_ref()
                .map_or(Ok(()), |progress| progress.call1(py, (counts.done, counts.skipped, counts.total)).map(|_| ()));
            if let Err(error) = py.check_signals().and(shown) {
                // Once: tiles under way are finished. Twice: they are not.
                held.control.stop();
                if interrupted.is_some()
                    && let Some(interrupt) = held.interrupt.get()
                {
                    interrupt.stop();
                }
                interrupted = Some(error);
            }
        }
    })
}

/// Which program worker processes run, as this process is Python's.
#[pyfunction]
pub fn set_program(path: PathBuf) {
    let _first = PROGRAM.set(path);
}
