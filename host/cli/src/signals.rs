//! Ctrl-C and SIGTERM: once ends the job cleanly, twice also stops the functions that are running, thrice ends the process.

use super::console::tell;
use super::fatal::Fatal;
use super::threads::spawn;
use controller::Control;
use sandbox::Interrupt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Catches signals until dropped.
pub struct Catcher {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Catcher {
    /// From now on signals stop `control`'s job instead of killing the process.
    pub fn new(control: Arc<Control>, interrupt: Interrupt) -> Result<Self, Fatal> {
        Self::catch(move |n| match n {
            0 => {
                tell("stopping after the tiles under way; again to stop them too");
                control.stop();
            }
            1 => interrupt.stop(),
            _ => std::process::exit(130),
        })
    }

    /// From now on a signal stops `control`'s job as soon as it begins.
    pub fn early(control: Arc<Control>) -> Result<Self, Fatal> {
        Self::catch(move |_| control.stop())
    }

    /// Calls `answer` on each signal, with the number of signals before it.
    fn catch(answer: impl Fn(usize) + Send + 'static) -> Result<Self, Fatal> {
        let mut signals =
            Signals::new([SIGINT, SIGTERM]).map_err(|e| Fatal::failed(format!("can't catch signals: {e}")))?;
        let handle = signals.handle();
        let thread = spawn("signals", move || signals.forever().enumerate().for_each(|(n, _)| answer(n)))?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // The thread only loops over signals; it can't have panicked.
            let _ended = thread.join();
        }
    }
}
