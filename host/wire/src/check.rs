//! What a received message must keep: the bounds of its fields, and the payload that belongs to it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::limits::{
    MAX_BANDS, MAX_COUNTS, MAX_LEASES, MAX_LOG_BYTES, MAX_LOG_LINES, MAX_NAME, MAX_RASTERS, MAX_TEXT, PayloadLimits,
};
use super::message::{FromController, FromWorker, Hello, Log, RasterHead, TileOutcome, TileResult};

/// A message that a frame can carry.
pub trait Message: Serialize + DeserializeOwned + Send + Sync {
    /// Its name, for errors and logs.
    fn name(&self) -> &'static str;
    /// Checks every bound that the type itself does not keep.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the field.
    fn check(&self) -> Result<(), Error>;
    /// Bytes of each part of its payload, in order.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a raster's size overflows.
    fn parts(&self) -> Result<Vec<u64>, Error>;
    /// The most payload a receiver takes with it.
    fn payload_limit(&self, limits: &PayloadLimits) -> u64;
    /// The rasters in its payload, input by input or output by output.
    fn rasters(&self) -> &[Vec<RasterHead>];
}

impl Message for FromWorker {
    fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "Hello",
            Self::ModuleRequest => "ModuleRequest",
            Self::Want { .. } => "Want",
            Self::Result(_) => "Result",
            Self::Failed(_) => "Failed",
            Self::Returned { .. } => "Returned",
            Self::Heartbeat { .. } => "Heartbeat",
            Self::Bye { .. } => "Bye",
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Hello(Hello { about, .. }) => {
                at_most("bytes of a worker's name", about.name.len(), MAX_NAME)?;
                at_most("bytes of a host name", about.host.len(), MAX_NAME)?;
                at_most("bytes of a task ARN", about.task_arn.as_ref().map_or(0, String::len), MAX_NAME)
            }
            Self::Result(r) => {
                if let TileOutcome::Done { outputs, .. } = &r.outcome {
                    check_rasters(outputs)?;
                }
                at_most("counts", r.tally.counts().len(), MAX_COUNTS)?;
                check_log(&r.log)
            }
            Self::Failed(f) => {
                at_most("bytes of a failure's text", f.text.len(), MAX_TEXT)?;
                check_log(&f.log)
            }
            Self::Returned { tiles, why } => {
                at_most("returned tiles", tiles.len(), MAX_LEASES)?;
                at_most("bytes of a reason", why.len(), MAX_TEXT)
            }
            Self::Bye { why } => at_most("bytes of a reason", why.len(), MAX_TEXT),
            Self::ModuleRequest | Self::Want { .. } | Self::Heartbeat { .. } => Ok(()),
        }
    }

    fn parts(&self) -> Result<Vec<u64>, Error> {
        match self {
            Self::Result(TileResult { outcome: TileOutcome::Done { outputs, state_len }, .. }) => {
                let mut parts = raster_parts(outputs)?;
                parts.push(*state_len);
                Ok(parts)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn payload_limit(&self, limits: &PayloadLimits) -> u64 {
        match self {
            Self::Result(_) => limits.result,
            _ => 0,
        }
    }

    fn rasters(&self) -> &[Vec<RasterHead>] {
        match self {
            Self::Result(TileResult { outcome: TileOutcome::Done { outputs, .. }, .. }) => outputs,
            _ => &[],
        }
    }
}

impl Message for FromController {
    fn name(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "Refuse",
            Self::Welcome(_) => "Welcome",
            Self::Module { .. } => "Module",
            Self::Tile { .. } => "Tile",
            Self::Finish => "Finish",
            Self::Abort { .. } => "Abort",
            Self::Heartbeat => "Heartbeat",
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Refuse { reason } | Self::Abort { reason } => at_most("bytes of a reason", reason.len(), MAX_TEXT),
            Self::Tile { inputs, .. } => check_rasters(inputs),
            Self::Welcome(w) if w.heartbeat_ms == 0 => Err(Error::Malformed("a heartbeat of 0 ms".into())),
            Self::Welcome(_) | Self::Module { .. } | Self::Finish | Self::Heartbeat => Ok(()),
        }
    }

    fn parts(&self) -> Result<Vec<u64>, Error> {
        match self {
            Self::Welcome(w) => Ok(vec![w.task_len]),
            Self::Module { len } => Ok(vec![*len]),
            Self::Tile { inputs, marks_len, .. } => {
                let mut parts = raster_parts(inputs)?;
                parts.extend((*marks_len > 0).then_some(*marks_len));
                Ok(parts)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn payload_limit(&self, limits: &PayloadLimits) -> u64 {
        match self {
            Self::Welcome(_) => limits.task,
            Self::Module { .. } => limits.module,
            Self::Tile { .. } => limits.tile,
            _ => 0,
        }
    }

    fn rasters(&self) -> &[Vec<RasterHead>] {
        match self {
            Self::Tile { inputs, .. } => inputs,
            _ => &[],
        }
    }
}

fn raster_parts(groups: &[Vec<RasterHead>]) -> Result<Vec<u64>, Error> {
    groups.iter().flatten().map(RasterHead::bytes).collect()
}

fn check_rasters(groups: &[Vec<RasterHead>]) -> Result<(), Error> {
    let most = usize::try_from(MAX_RASTERS).unwrap_or(usize::MAX);
    at_most("inputs or outputs", groups.len(), most)?;
    at_most("rasters", groups.iter().map(Vec::len).sum(), most)?;
    for raster in groups.iter().flatten() {
        at_most("bands", usize::try_from(raster.bands).unwrap_or(usize::MAX), MAX_BANDS)?;
        if raster.bands == 0 || raster.rows == 0 || raster.cols == 0 {
            return Err(Error::Malformed("a raster without pixels".into()));
        }
    }
    Ok(())
}

fn check_log(log: &Log) -> Result<(), Error> {
    at_most("log lines", log.lines().len(), MAX_LOG_LINES)?;
    at_most("log bytes", log.bytes(), MAX_LOG_BYTES)
}

fn at_most(what: &str, got: usize, limit: usize) -> Result<(), Error> {
    if got <= limit { Ok(()) } else { Err(Error::Malformed(format!("{got} {what}, the limit is {limit}"))) }
}
