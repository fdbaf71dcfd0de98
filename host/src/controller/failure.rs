//! Why a job failed, with what, where and what to do, and which exit code and whether trying again can help.

use super::schedule::Poisonous;
use super::writer::WriteError;
use crate::grid::Tile;
use crate::{sandbox, worker};

/// The end of a job that did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A tile has no result.
    #[error("tile {} (row {}, column {}; pixels {}..{} × {}..{}): {source}", .tile.index, .tile.row, .tile.col,
        .tile.window.row, .tile.window.row + i64::from(.tile.window.rows),
        .tile.window.col, .tile.window.col + i64::from(.tile.window.cols))]
    Tile {
        /// Which one.
        tile: Tile,
        /// Why.
        source: worker::Error,
    },
    /// A tile's result could not be written, or an output not be completed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The tiles' contributions could not be joined.
    #[error("joining the tiles' results: {0}")]
    Reduce(sandbox::Error),
    /// The sandbox could not be set up.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// A tile keeps killing workers.
    #[error(transparent)]
    Poisonous(#[from] Poisonous),
    /// The user, or the system, asked to stop.
    #[error("interrupted; nothing was written under the outputs' names")]
    Interrupted,
    /// The system has no thread for a worker.
    #[error("can't start a worker thread: {0}; use fewer (workers.count)")]
    Thread(std::io::Error),
    /// A bug of ours.
    #[error("a worker thread panicked; this is a bug in tilefn: {0}")]
    Panicked(String),
}

impl Failure {
    /// The process's exit code: 1 the job failed, 3 infrastructure failed, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Poisonous(_) | Self::Panicked(_) | Self::Thread(_) => 3,
            Self::Tile { .. } | Self::Write(_) | Self::Reduce(_) | Self::Sandbox(_) => 1,
        }
    }
}
