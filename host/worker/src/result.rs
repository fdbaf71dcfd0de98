//! What became of a tile, as it is told to the controller.

use super::compute::Report;
use super::runner::{self, Done, Outcome};
use sandbox::{self, LogLine};
use std::time::Duration;
use types::tally::Tally;
use wire::{
    self, Cost, FailureKind, FromWorker, Lease, MAX_TEXT, RasterHead, TileFailure, TileResult, WireError, Writer, clip,
};

/// Sends what became of a tile.
pub async fn send(writer: &mut Writer<FromWorker>, report: Report) -> Result<(), WireError> {
    match report {
        Report::Finished { lease, outcome } => {
            let sent = match *outcome {
                Outcome::Skipped { read } => {
                    let cost = Cost { read_ns: nanos(read), ..Cost::default() };
                    let (outcome, log, tally) = (wire::Outcome::Skipped, wire::Log::default(), Tally::default());
                    let result = TileResult { lease, outcome, cost, log, tally };
                    writer.send(&FromWorker::Result(result), &[]).await
                }
                Outcome::Done(done) => send_done(writer, lease, *done).await,
            };
            match sent {
                // A result that the wire can't carry, such as one of thousands of rasters: nothing has been sent.
                Err(error @ (WireError::Malformed(_) | WireError::TooLarge { .. })) => {
                    let text = format!("the function's result can't be sent: {error}");
                    send_failure(writer, lease, FailureKind::Output, false, &text, Vec::new()).await
                }
                sent => sent,
            }
        }
        Report::Failed { lease, error, log } => {
            let (kind, retryable) = classify(&error);
            send_failure(writer, lease, kind, retryable, &error.to_string(), log).await
        }
        Report::Stopped(lease) => {
            let returned = FromWorker::Returned { tiles: vec![lease], why: "stopped".into() };
            writer.send(&returned, &[]).await
        }
    }
}

async fn send_failure(
    writer: &mut Writer<FromWorker>,
    lease: Lease,
    kind: FailureKind,
    retryable: bool,
    text: &str,
    log: Vec<LogLine>,
) -> Result<(), WireError> {
    let failure =
        TileFailure { lease, kind, text: clip(text, MAX_TEXT), retryable, cost: Cost::default(), log: wire_log(log) };
    writer.send(&FromWorker::Failed(failure), &[]).await
}

/// Sends a tile's pixels straight from the memory of the instance that made them.
async fn send_done(writer: &mut Writer<FromWorker>, lease: Lease, mut done: Done) -> Result<(), WireError> {
    let (result, parts) = described(lease, &mut done)?;
    writer.send(&result, &parts).await
}

/// The message about a tile's result, and the parts of its payload.
fn described(lease: Lease, done: &mut Done) -> Result<(FromWorker, Vec<&[u8]>), WireError> {
    let log = wire_log(done.take_log());
    let tally = done.tally.clone();
    let heads = done.outputs().iter().map(|rasters| {
        let head = |r: &sandbox::OutRaster| RasterHead {
            dtype: r.dtype,
            bands: r.bands,
            rows: r.rows,
            cols: r.cols,
            nodata: r.nodata,
        };
        rasters.iter().map(head).collect::<Vec<_>>()
    });
    let heads: Vec<_> = heads.collect();
    let parts = parts(done)?;
    let state_len = parts.last().map_or(0, |state| state.len() as u64);
    let cost = Cost { read_ns: nanos(done.read), run_ns: nanos(done.run), peak_bytes: done.peak_memory() };
    let outcome = wire::Outcome::Done { outputs: heads, state_len };
    Ok((FromWorker::Result(TileResult { lease, outcome, cost, log, tally }), parts))
}

/// A result's payload: its rasters in order, then the state.
fn parts(done: &Done) -> Result<Vec<&[u8]>, WireError> {
    // Ranges were checked when the function returned; a failure here is the sandbox's.
    let broken = |e: sandbox::Error| WireError::Malformed(e.to_string());
    let rasters = done.rasters().map_err(broken)?.into_iter().map(|(_, _, _, pixels)| pixels);
    Ok(rasters.chain([done.state().map_err(broken)?]).collect())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn wire_log(lines: Vec<LogLine>) -> wire::Log {
    let mut log = wire::Log::default();
    for line in lines {
        log.push(line.warning, &line.text);
    }
    log
}

/// What kind of failure this is, and whether it may go well elsewhere: only what isn't the function's own doing may.
fn classify(error: &runner::Error) -> (FailureKind, bool) {
    use sandbox::Error as S;
    match error {
        runner::Error::Function(e) => match e {
            S::Guest { .. } => (FailureKind::Function, false),
            S::Trap { panic: Some(_), .. } => (FailureKind::Panic, false),
            S::Deadline { .. } => (FailureKind::Time, false),
            S::OutOfMemory { .. } => (FailureKind::Memory, false),
            S::Fuel { .. } => (FailureKind::Fuel, false),
            S::AbiViolation { .. } | S::TooBig { .. } => (FailureKind::Output, false),
            S::Engine(_) => (FailureKind::Worker, true),
            _ => (FailureKind::Trap, false),
        },
        runner::Error::Read { .. } => (FailureKind::Input, true),
        runner::Error::Output { .. } => (FailureKind::Output, false),
        runner::Error::TooLarge | runner::Error::Description(_) => (FailureKind::Function, false),
    }
}
