//! The events of a running job. The controller tells them to observers, and doesn't know what these do with them.

use super::ranges::Ranges;
use super::work::Work;
use grid::Window;

/// Something that has happened. A job's first event is [`Event::Begun`]; a worker's first is [`Event::WorkerJoined`].
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins.
    Begun {
        /// Tiles of the grid.
        tiles: u64,
        /// Tiles that an earlier run has done.
        resumed: &'a Ranges,
    },
    /// A tile was run and written.
    TileDone {
        tile: u64,
        /// Output pixels of the tile, bytes.
        bytes_out: u64,
    },
    /// Pixels of a tile are in an output's file: `[bands, rows, cols]` of the file's type. It comes before the tile is done.
    TileWritten { output: usize, raster: usize, window: Window, bands: u32, pixels: &'a [u8] },
    /// A tile was not run, since no input has a valid pixel there.
    TileSkipped { tile: u64 },
    /// A worker has come.
    WorkerJoined { worker: u32, identity: &'a Identity },
    /// What a worker has done since it came.
    WorkerWorked { worker: u32, work: Work },
    /// Resident memory of a worker's process, bytes; 0 when unknown.
    WorkerMemory { worker: u32, bytes: u64 },
    /// A worker has left.
    WorkerLeft { worker: u32, why: &'a str },
    /// Something the user should know of.
    Warning(&'a str),
    /// All tiles are done; the outputs are being completed.
    Finishing,
    /// The job has failed, for this reason; taking it down may last a while.
    Failed(&'a str),
}

/// Who a worker is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// `thread`, `process`, …
    pub kind: &'static str,
    /// The worker's own name for itself.
    pub name: String,
    /// Host it runs on.
    pub host: String,
    /// Tiles it runs at the same time.
    pub threads: u32,
}

/// Something that is told all events, by the thread on which they happen. It must return quickly, since that thread waits.
pub trait Observer: Send + Sync {
    /// Takes note of `event`.
    fn event(&self, event: &Event<'_>);
}
