//! Jobs: run on a thread of their own, while Python's looks for Ctrl-C and shows how far they are.

use super::events::Events;
use super::stopped::{failed, stopped};
use cli::api::{Held, Job, PROGRAM, Request, run as run_job};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often Python is asked whether it goes on.
const LOOK: Duration = Duration::from_millis(100);
/// How often the picture is shown anew.
const REDRAW: Duration = Duration::from_secs(1);

/// A function of Python's, if one was given.
type Callback = Option<Py<PyAny>>;

/// What a run calls while it lasts, some times a second, on Python's thread.
struct Callbacks {
    /// Takes the tiles that are done, those of them that were skipped, and all there are.
    progress: Callback,
    /// Takes an event, JSON.
    events: Callback,
    /// Takes the picture of the first output as it fills in, a PNG file.
    picture: Callback,
}

/// Runs a job: a job file's path, or a job in JSON whose relative paths belong to `folder`. The callbacks are those of [`Callbacks`]. Returns JSON.
#[pyfunction]
pub fn run(
    py: Python<'_>,
    path: Option<String>,
    text: Option<String>,
    folder: PathBuf,
    options: (Vec<String>, bool, bool, bool),
    callbacks: (Callback, Callback, Callback),
) -> PyResult<String> {
    let job = match (path, text) {
        (Some(path), _) => Job::File(path),
        (None, text) => Job::Text { text: text.unwrap_or_default(), folder },
    };
    let (set, overwrite, resume, dry_run) = options;
    let request = Request { job, set, overwrite, resume, dry_run };
    let (progress, events, picture) = callbacks;
    let held = Held { draws: picture.is_some(), ..Held::default() };
    let mut shown = Shown::new(Callbacks { progress, events, picture }, &held);
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
                    let told = shown.tell(py, held);
                    return match (interrupted, ended) {
                        (Some(error), _) => Err(error),
                        (None, Ok(value)) => told.map(|()| value.to_string()),
                        (None, Err(error)) => Err(stopped(error)),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Err(failed("the job ended without a result")),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let told = shown.tell(py, held).and_then(|()| shown.draw(py, held));
            if let Err(error) = py.check_signals().and(told) {
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

/// What Python has been told so far.
struct Shown {
    callbacks: Callbacks,
    events: Option<Arc<Events>>,
    /// When the picture was shown last, and the tiles in it.
    picture: Option<(Instant, u64)>,
}

impl Shown {
    fn new(callbacks: Callbacks, held: &Held) -> Self {
        let events = callbacks.events.is_some().then(Arc::<Events>::default);
        events.iter().for_each(|events| held.control.observe(events.clone()));
        Self { callbacks, events, picture: None }
    }

    /// Tells events and numbers.
    fn tell(&self, py: Python<'_>, held: &Held) -> PyResult<()> {
        if let (Some(events), Some(callback)) = (&self.events, &self.callbacks.events) {
            events.take().into_iter().try_for_each(|event| callback.call1(py, (event,)).map(|_| ()))?;
        }
        let counts = held.control.counts();
        match &self.callbacks.progress {
            Some(callback) => callback.call1(py, (counts.done, counts.skipped, counts.total)).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Shows the picture, if tiles have come.
    fn draw(&mut self, py: Python<'_>, held: &Held) -> PyResult<()> {
        let (Some(callback), Some(picture)) = (&self.callbacks.picture, held.picture.get()) else { return Ok(()) };
        let tiles = picture.tiles();
        if tiles == 0 || self.picture.is_some_and(|(at, before)| at.elapsed() < REDRAW || before == tiles) {
            return Ok(());
        }
        let png = py.detach(|| picture.png());
        self.picture = Some((Instant::now(), tiles));
        callback.call1(py, (PyBytes::new(py, &png),)).map(|_| ())
    }
}

/// Which program worker processes run, as this process is Python's.
#[pyfunction]
pub fn set_program(path: PathBuf) {
    let _first = PROGRAM.set(path);
}
