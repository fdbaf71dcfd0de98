//! Why a job failed: what, where and what to do. Exit codes, and whether another run may succeed, are decided here.

use super::fleet::FleetError;
use super::journal::JournalError;
use super::schedule::Poisonous;
use super::writer::WriteError;
use grid::Tile;
use std::fmt;
use std::net::SocketAddr;

/// The end of a job that did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tile has no result.
    #[error("tile {} (row {}, column {}; pixels {}..{} × {}..{}): {source}{advice}{}", .tile.index, .tile.row, .tile.col,
        .tile.window.row, .tile.window.row + i64::from(.tile.window.rows),
        .tile.window.col, .tile.window.col + i64::from(.tile.window.cols), Said(.log))]
    Tile {
        tile: Tile,
        source: worker::Error,
        /// What to do, on lines of its own; may be empty.
        advice: String,
        /// What the function had logged there.
        log: Vec<String>,
    },
    /// A tile's result could not be written, or an output not be completed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The tiles' states could not be joined.
    #[error("joining the tiles' results: {0}")]
    Reduce(sandbox::Error),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// A tile has no result, as a remote worker reports.
    #[error("tile {} (row {}, column {}) on {worker}: {text}{}", .tile.index, .tile.row, .tile.col, Said(.log))]
    Remote {
        tile: Tile,
        /// Where it ran.
        worker: String,
        /// The worker's own words.
        text: String,
        /// What the function had logged there.
        log: Vec<String>,
    },
    /// A tile keeps killing workers, or failing on them.
    #[error("{what}; the last time on {last}{}. Look at that tile's inputs, or raise workers.max_attempts", Said(.log))]
    Poisonous {
        /// Which tile, and how often.
        what: Poisonous,
        /// The last worker, and what became of it.
        last: String,
        /// The ECS task of a last worker that is gone.
        task: Option<String>,
        /// What the function had logged there.
        log: Vec<String>,
    },
    /// No worker can be had.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// The controller's address can't be listened on.
    #[error("can't listen on {address} for workers: {reason}; set workers.listen")]
    Listen {
        address: SocketAddr,
        /// The system's reason.
        reason: String,
    },
    /// The journal of an earlier run can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The user, or the system, asked to stop.
    #[error("interrupted; nothing was written under the outputs' names")]
    Interrupted,
    /// The job ended early, and its finished tiles are kept.
    #[error("{}; {done} of {total} tiles are kept: --resume goes on from there", Early(.cause, .named))]
    Suspended {
        /// Why it ended.
        cause: Box<Error>,
        /// Tiles that are done.
        done: u64,
        /// All tiles.
        total: u64,
        /// Outputs that have their names.
        named: Vec<String>,
    },
    /// The system has no thread for a worker.
    #[error("can't start a worker thread: {0}; use fewer (workers.count)")]
    Thread(std::io::Error),
    /// A bug in tilefn.
    #[error("a worker thread panicked; this is a bug in tilefn: {0}")]
    Panicked(String),
}

/// Most lines of a tile's log that are shown with its failure.
const LINES: usize = 20;

/// What a function had logged before it failed.
struct Said<'a>(&'a [String]);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str("\nbefore that, the function had logged:")?;
        let hidden = self.0.len().saturating_sub(LINES);
        if hidden > 0 {
            write!(f, "\n  … {hidden} lines more")?;
        }
        self.0.iter().skip(hidden).try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Why a job ended early, and which outputs are complete.
struct Early<'a>(&'a Error, &'a [String]);

impl fmt::Display for Early<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (cause, []) => write!(f, "{cause}"),
            (Error::Interrupted, named) => write!(f, "interrupted; {} is complete", named.join(", ")),
            (cause, named) => write!(f, "{cause}; {} is complete", named.join(", ")),
        }
    }
}

impl Error {
    /// Whether another run of the same job may succeed; then the finished tiles are kept.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Interrupted | Self::Poisonous { .. } | Self::Fleet(_) | Self::Thread(_) | Self::Panicked(_) => true,
            // A full disk can be cleared; a function that returns other bands does it again.
            Self::Write(error) => matches!(error, WriteError::Raster { .. }),
            Self::Tile { source, .. } => matches!(source, worker::Error::Read { .. }),
            _ => false,
        }
    }

    /// The process's exit code: 1 the job failed, 2 it can't be gone on with, 3 infrastructure failed, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Suspended { cause, .. } => cause.exit_code(),
            Self::Journal(_) => 2,
            Self::Poisonous { .. } | Self::Fleet(_) | Self::Listen { .. } | Self::Panicked(_) | Self::Thread(_) => 3,
            Self::Tile { .. } | Self::Remote { .. } | Self::Write(_) | Self::Reduce(_) | Self::Sandbox(_) => 1,
        }
    }
}
