//! A process of this machine: a copy of this one, or of a program.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, setpgid, waitpid};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ExitStatus};

/// What the system shows as a copy's name, 15 bytes at most.
const NAME: &str = "tilefn-worker";
/// The exit code of a copy that panics, as of any Rust program.
const PANICKED: u8 = 101;

/// A child of this process. It is killed when this is dropped.
pub struct Process {
    pid: Pid,
    status: Option<ExitStatus>,
}

impl Process {
    /// A copy of this process that does `work` and ends with the exit code that it returns. Of the open files it has
    /// `keep` and standard error. All that this process has loaded needn't be loaded again, which is what it is for.
    ///
    /// # Errors
    /// When there is more than one thread, or the system has no room.
    pub fn fork<T: AsFd>(keep: T, work: impl FnOnce(T) -> u8) -> io::Result<Self> {
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            // The copy would have only this one, and for ever locked what another has locked now.
            return Err(io::Error::other("there are other threads"));
        }
        #[expect(unsafe_code, reason = "the standard library starts programs only")]
        // SAFETY: there is no other thread, so that the copy is complete.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // What a panic unwinds must not be the rest of the controller's program.
                let code = catch_unwind(AssertUnwindSafe(|| match settle(keep.as_fd()) {
                    Ok(()) => work(keep),
                    Err(error) => {
                        tracing::warn!("a worker process can't start: {error}");
                        1
                    }
                }));
                // Nor are its destructors this process's to run.
                signal_hook::low_level::exit(code.unwrap_or(PANICKED).into())
            }
            pid => Ok(Self { pid: Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?, status: None }),
        }
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.wait(WaitOptions::NOHANG)
    }

    fn wait(&mut self, options: WaitOptions) -> Option<ExitStatus> {
        if self.status.is_none() {
            let ended = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), options));
            self.status = ended.ok().flatten().map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        }
        self.status
    }
}

impl TryFrom<Child> for Process {
    type Error = io::Error;

    fn try_from(child: Child) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, status: None })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once its end is known, its number may be another's.
        if self.ended().is_none() {
            // Fails only for a process that has ended.
            let _killed = kill_process(self.pid, Signal::KILL);
            self.wait(WaitOptions::empty());
        }
    }
}

/// Makes this process, a copy, what one started by `Command` would be: out of the terminal's reach, with no files of the
/// other's. With them open, the end of the other's connections would not show.
fn settle(keep: BorrowedFd<'_>) -> io::Result<()> {
    setpgid(None, None)?;
    // Only a help to who looks for it.
    let _named = fs::write("/proc/self/comm", NAME);
    let null = File::options().read(true).write(true).open("/dev/null")?;
    #[expect(unsafe_code, reason = "rustix's is behind a feature")]
    // SAFETY: both are standard files, which nobody here has as an owner.
    let replaced = unsafe { [libc::dup2(null.as_raw_fd(), 0), libc::dup2(null.as_raw_fd(), 1)] };
    if replaced.contains(&-1) {
        return Err(io::Error::last_os_error());
    }
    drop(null);
    let files = fs::read_dir("/proc/self/fd")?;
    let files: Vec<RawFd> = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok()).collect();
    for file in files.into_iter().filter(|file| *file > 2 && *file != keep.as_raw_fd()) {
        #[expect(unsafe_code, reason = "their owners are of the other process, and never dropped in this one")]
        // SAFETY: nothing that runs here uses one of them: the owners are out of reach of `work`.
        unsafe {
            libc::close(file);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn with_other_threads_there_is_no_copy() {
        let (stop, wait) = mpsc::channel::<()>();
        let other = std::thread::spawn(move || wait.recv());
        let file = File::open("/dev/null").unwrap();
        assert_eq!(Process::fork(file, |_| 0).err().unwrap().to_string(), "there are other threads");
        drop(stop);
        assert!(other.join().unwrap().is_err());
    }
}
