//! Every message between controller and worker, one enum for each direction.
//!
//! The place of a variant in its enum is its number on the wire, and the fields follow in order: a change to either is
//! a new [`PROTOCOL`]. Three things never change, so that programs of any two versions can tell each other apart:
//! `Hello` is the worker's number 0 and starts with the protocol range and the secret; `Refuse` is the controller's
//! number 0 and holds one text.
use std::fmt;

use serde::{Deserialize, Serialize};
use tilefn_abi::DType;

use super::codec::Compression;
use super::limits::{MAX_LOG_BYTES, MAX_LOG_LINES, clip};
use super::{Error, Secret};
use types::tally::Tally;
use types::{LogLine, WorkerKind};

/// The protocol version that this program speaks.
pub const PROTOCOL: u16 = 3;

/// Protocol versions that a program can speak, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocols {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

impl Protocols {
    /// The versions that this program speaks.
    pub const OURS: Self = Self { min: PROTOCOL, max: PROTOCOL };

    /// The newest version both can speak.
    ///
    /// # Errors
    /// [`Error::Version`] with a text fit for either side's user.
    pub fn choose(self, worker: Self) -> Result<u16, Error> {
        let best = self.max.min(worker.max);
        if worker.min <= worker.max && best >= self.min && best >= worker.min {
            return Ok(best);
        }
        Err(Error::Version(format!(
            "the worker speaks protocol {worker}, the controller {self}: run the same tilefn version on both sides"
        )))
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.max) } else { write!(f, "{} to {}", self.min, self.max) }
    }
}

/// What a worker says to its controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message.
    Hello(Hello),
    /// The module is wanted; answered by [`FromController::Module`].
    ModuleRequest,
    /// This many tiles more may be sent.
    Want {
        /// Number of tiles.
        tiles: u32,
    },
    /// A tile is finished. Payload: the rasters of all outputs, then the state.
    Result(TileResult),
    /// A tile failed.
    Failed(TileFailure),
    /// Tiles are given back unfinished.
    Returned {
        tiles: Vec<Lease>,
        /// Why, for the log and the report.
        why: String,
    },
    /// A sign of life.
    Heartbeat {
        /// Resident memory of the process in bytes; 0 when unknown.
        memory: u64,
    },
    /// The last message; the worker leaves.
    Bye {
        /// Why, for the log and the report.
        why: String,
    },
}

/// What a controller says to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromController {
    /// The worker is not wanted; the connection closes.
    Refuse {
        /// Why, for the worker's user.
        reason: String,
    },
    /// The worker is accepted. Payload: the task description.
    Welcome(Welcome),
    /// Payload: the module.
    Module {
        /// Bytes of the module.
        len: u64,
    },
    /// A tile to run. Payload: its input rasters and marks, when the controller reads.
    Tile {
        /// Which tile, under which lease.
        lease: Lease,
        /// The rasters of each input; empty when the worker reads.
        inputs: Vec<Vec<RasterHead>>,
        /// Bytes of the marks of invalid pixels in this tile; 0 when the task has all marks.
        marks_len: u64,
    },
    /// No more tiles will come: say [`FromWorker::Bye`] and leave.
    Finish,
    /// Stop at once.
    Abort {
        /// Why, for the worker's log.
        reason: String,
    },
    /// A sign of life.
    Heartbeat,
}

/// One tile handed to one worker, once; a tile handed out again has another lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Index of the tile in the grid of tiles.
    pub tile: u64,
    /// Number of the hand-out, unique in the job.
    pub lease: u64,
}

/// A worker's first message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol versions that the worker speaks.
    pub protocols: Protocols,
    /// The secret from its ticket.
    pub secret: Secret,
    /// Who it is.
    pub about: About,
}

/// Who a worker is and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name, as the report shows it.
    pub name: String,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// What started it; never threads, which have no connection.
    #[serde(with = "kind_number")]
    pub kind: WorkerKind,
    /// The ECS task it runs in.
    pub task_arn: Option<String>,
    /// Tiles it runs at the same time.
    pub threads: u32,
    /// Whether it can read the inputs itself.
    pub reads: bool,
}

/// The terms on which a worker is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol version both sides use from here on.
    pub protocol: u16,
    /// Each side sends something at least this often, in milliseconds.
    pub heartbeat_ms: u32,
    /// How either side may compress its payloads.
    pub compression: Compression,
    /// Bytes of the task description.
    pub task_len: u64,
}

/// Type and size of a raster in a payload: `[bands, rows, cols]`, row-major, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RasterHead {
    /// Element type.
    #[serde(with = "dtype_number")]
    pub dtype: DType,
    /// Number of bands.
    pub bands: u32,
    /// Pixel rows.
    pub rows: u32,
    /// Pixel columns.
    pub cols: u32,
}

impl RasterHead {
    /// Bytes of its pixels.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they do not fit 64 bits.
    pub fn bytes(&self) -> Result<u64, Error> {
        let size = self.dtype.size() as u64;
        u64::from(self.rows)
            .checked_mul(u64::from(self.cols))
            .and_then(|n| n.checked_mul(u64::from(self.bands)))
            .and_then(|n| n.checked_mul(size))
            .ok_or_else(|| Error::Malformed("a raster's size overflows".into()))
    }
}

/// A finished tile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TileResult {
    /// Which tile, under which lease.
    pub lease: Lease,
    /// What came of it.
    pub outcome: TileOutcome,
    /// What it took.
    pub cost: Cost,
    /// What the function said.
    pub log: Log,
    /// Pixels that were changed or lost.
    pub tally: Tally,
}

/// What came of a tile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TileOutcome {
    /// The function ran.
    Done {
        /// The rasters of each output, in the order of the function's description.
        outputs: Vec<Vec<RasterHead>>,
        /// Bytes of the accumulated state; 0 when the function does not accumulate.
        state_len: u64,
    },
    /// No input had a valid pixel, so the function was not run.
    Skipped,
}

/// A tile that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TileFailure {
    /// Which tile, under which lease.
    pub lease: Lease,
    /// The text for the user, backtrace included; make it with [`clip`] and [`MAX_TEXT`](super::MAX_TEXT).
    pub text: String,
    /// Whether another attempt, elsewhere, may succeed.
    pub retryable: bool,
    /// What the function said.
    pub log: Log,
}

/// What a tile took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Nanoseconds spent reading inputs.
    pub read_ns: u64,
    /// Nanoseconds spent in the function.
    pub run_ns: u64,
    /// The most guest memory it had, in bytes.
    pub peak_bytes: u64,
}

/// The lines that a function logged while it ran a tile. The log is bounded: lines beyond it are counted, not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    lines: Vec<LogLine>,
    dropped: u64,
}

impl Log {
    /// Adds a line, or counts it as dropped when the log is full.
    pub fn push(&mut self, warning: bool, text: &str) {
        let room = MAX_LOG_BYTES.saturating_sub(self.bytes());
        if self.lines.len() < MAX_LOG_LINES && room > 0 {
            self.lines.push(LogLine { warning, text: clip(text, room) });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The lines kept.
    pub fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// How many lines were not kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes of the lines kept.
    pub(super) fn bytes(&self) -> usize {
        self.lines.iter().map(|l| l.text.len()).sum()
    }
}

/// A `DType` as its ABI number.
mod dtype_number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use tilefn_abi::DType;

    pub fn serialize<S: Serializer>(dtype: &DType, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(*dtype as u32)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DType, D::Error> {
        let number = u32::deserialize(d)?;
        DType::from_u32(number).ok_or_else(|| D::Error::custom(format!("no element type has the number {number}")))
    }
}

/// A `WorkerKind` as its number in the protocol, which has none for threads.
mod kind_number {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use types::WorkerKind;

    const KINDS: [WorkerKind; 4] = [WorkerKind::Processes, WorkerKind::External, WorkerKind::Fargate, WorkerKind::Ec2];

    pub fn serialize<S: Serializer>(kind: &WorkerKind, s: S) -> Result<S::Ok, S::Error> {
        let number = (0u32..).zip(KINDS).find(|(_, known)| known == kind);
        let (number, _) = number
            .ok_or_else(|| S::Error::custom(format!("{} have no number: they need no connection", kind.name())))?;
        s.serialize_u32(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<WorkerKind, D::Error> {
        let number = u32::deserialize(d)?;
        let kind = usize::try_from(number).ok().and_then(|number| KINDS.get(number));
        kind.copied().ok_or_else(|| D::Error::custom(format!("no kind of worker has the number {number}")))
    }
}
