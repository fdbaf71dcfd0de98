//! Sends the outcome of a tile to the controller.

use super::compute::TileReport;
use super::runner::{Done, Outcome};
use std::time::Duration;
use types::LogLine;
use types::tally::Tally;
use wire::{Cost, FromWorker, Lease, MAX_TEXT, RasterHead, TileFailure, TileResult, Writer, clip};

/// Sends what became of a tile.
pub async fn send(writer: &mut Writer<FromWorker>, report: TileReport) -> Result<(), wire::Error> {
    match report {
        TileReport::Finished { lease, outcome } => {
            let sent = match *outcome {
                Outcome::Skipped { read } => {
                    let cost = Cost { read_ns: nanos(read), ..Cost::default() };
                    let (outcome, log, tally) = (wire::TileOutcome::Skipped, wire::Log::default(), Tally::default());
                    let result = TileResult { lease, outcome, cost, log, tally };
                    writer.send(&FromWorker::Result(result), &[]).await
                }
                Outcome::Done(done) => send_done(writer, lease, *done).await,
            };
            match sent {
                // The wire can't carry this result (thousands of rasters, say). Nothing has been sent yet.
                Err(error @ (wire::Error::Malformed(_) | wire::Error::TooLarge { .. })) => {
                    let text = format!("the function's result can't be sent: {error}");
                    send_failure(writer, lease, false, &text, Vec::new()).await
                }
                sent => sent,
            }
        }
        TileReport::Failed { lease, error, advice, log } => {
            send_failure(writer, lease, error.is_retryable(), &format!("{error}{advice}"), log).await
        }
        TileReport::Stopped(lease) => {
            let returned = FromWorker::Returned { tiles: vec![lease], why: "stopped".into() };
            writer.send(&returned, &[]).await
        }
    }
}

async fn send_failure(
    writer: &mut Writer<FromWorker>,
    lease: Lease,
    retryable: bool,
    text: &str,
    log: Vec<LogLine>,
) -> Result<(), wire::Error> {
    let failure = TileFailure { lease, text: clip(text, MAX_TEXT), retryable, log: wire_log(log) };
    writer.send(&FromWorker::Failed(failure), &[]).await
}

/// Sends a tile's pixels straight from the memory of the instance that made them.
async fn send_done(writer: &mut Writer<FromWorker>, lease: Lease, mut done: Done) -> Result<(), wire::Error> {
    let (result, parts) = described(lease, &mut done)?;
    writer.send(&result, &parts).await
}

/// The message about a tile's result, and the parts of its payload.
fn described(lease: Lease, done: &mut Done) -> Result<(FromWorker, Vec<&[u8]>), wire::Error> {
    let log = wire_log(done.take_log());
    let tally = done.tally.clone();
    let heads = done.outputs().iter().map(|rasters| {
        let head = |r: &sandbox::OutRaster| RasterHead { dtype: r.dtype, bands: r.bands, rows: r.rows, cols: r.cols };
        rasters.iter().map(head).collect::<Vec<_>>()
    });
    let heads: Vec<_> = heads.collect();
    let parts = parts(done)?;
    let state_len = parts.last().map_or(0, |state| state.len() as u64);
    let cost = Cost { read_ns: nanos(done.read), run_ns: nanos(done.run), peak_bytes: done.peak_memory() };
    let outcome = wire::TileOutcome::Done { outputs: heads, state_len };
    Ok((FromWorker::Result(TileResult { lease, outcome, cost, log, tally }), parts))
}

/// A result's payload: its rasters in order, then the state.
fn parts(done: &Done) -> Result<Vec<&[u8]>, wire::Error> {
    // Ranges were checked when the function returned, so an error here is a bug of the sandbox.
    let broken = |e: sandbox::Error| wire::Error::Malformed(e.to_string());
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
