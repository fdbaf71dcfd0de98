//! Progress while a job runs: a bar with rate and time left on a terminal, a line every few percent in a log.

use super::console::Console;
use controller::{Control, Counts};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// A log line is due each time so many percent more are done.
const LOG_STEP: u64 = 5;

/// Shows `control`'s progress while `work` runs.
pub fn show<R>(console: &Console, control: &Arc<Control>, work: impl FnOnce() -> R) -> R {
    std::thread::scope(|scope| {
        let (stop, stopped): (Sender<()>, _) = channel();
        let shown = std::thread::Builder::new().name("progress".to_owned()).spawn_scoped(scope, move || {
            let mut display = Display::new(console);
            // Ends when the sender is dropped, by return or by panic.
            while stopped.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                display.update(control.counts());
            }
            display.end();
        });
        if let Err(error) = shown {
            tracing::warn!("progress isn't shown, as the system gives no more threads: {error}");
        }
        let result = work();
        drop(stop);
        result
    })
}

enum Display<'a> {
    Bar(ProgressBar),
    Log { console: &'a Console, started: Instant, said: u64 },
}

impl<'a> Display<'a> {
    fn new(console: &'a Console) -> Self {
        if !console.live() {
            return Self::Log { console, started: Instant::now(), said: 0 };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {percent:>3} %  {pos}/{len} tiles  {per_sec}  {eta} left")
        {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    fn update(&mut self, counts: Counts) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(counts.total);
                bar.set_position(counts.done);
            }
            Self::Log { console, started, said } => {
                let percent = counts.done.saturating_mul(100).checked_div(counts.total).unwrap_or(0);
                if percent < *said + LOG_STEP {
                    return;
                }
                *said = percent - percent % LOG_STEP;
                let seconds = started.elapsed().as_secs_f64();
                let text = format!("{percent:>3} %  {}/{} tiles  {seconds:.0} s", counts.done, counts.total);
                console.say(&text, "progress", || {
                    json!({ "done": counts.done, "skipped": counts.skipped, "total": counts.total, "seconds": seconds })
                });
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
