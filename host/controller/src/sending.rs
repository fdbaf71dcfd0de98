//! Sends to one remote worker: messages, the module, heartbeats, and tiles with their pixels as soon as these are read.

use super::error::Error;
use super::reading::Read;
use super::remote_job::RemoteJob;
use grid::Tile;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::MissedTickBehavior;
use types::tally::Tally;
use wire::{FromController, Lease, RasterHead, Writer};
use worker::Task;

/// Something to be sent to the worker.
pub enum Outgoing {
    Message(FromController),
    /// The module, as the payload.
    Module,
    /// A tile with its pixels. Its permits are given back once it is sent.
    Tile {
        lease: Lease,
        read: Read,
        _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    },
}

/// The outcome of reading a tile for the worker.
pub enum Reading {
    /// The tile was read and has no valid pixel, so it isn't sent.
    Empty(Tile, Duration),
    /// The tile was read and is on its way. The tally counts pixels that reading changed.
    Sent(Tile, Duration, Tally),
    /// The tile was not read, since another worker has done it in the meantime.
    Done(Tile),
}

/// Reads a tile as soon as there is room for it, and sends it unless it is empty.
pub async fn read_and_send(
    job: Arc<RemoteJob>,
    room: Arc<Semaphore>,
    tile: Tile,
    lease: Lease,
    out: mpsc::Sender<Outgoing>,
    tell: mpsc::UnboundedSender<Reading>,
) {
    let Some(readers) = &job.readers else { return };
    // Neither semaphore is ever closed.
    let Ok(place) = room.acquire_owned().await else { return };
    let Ok(memory) = job.outgoing.clone().acquire_many_owned(job.outgoing_units(&tile)).await else { return };
    if out.is_closed() {
        return;
    }
    if !job.state.is_open(tile.index) {
        let _gone = tell.send(Reading::Done(tile));
        return;
    }
    match readers.read(tile).await {
        Ok(read) if !read.valid => {
            let _gone = tell.send(Reading::Empty(tile, read.time));
        }
        Ok(read) => {
            let _gone = tell.send(Reading::Sent(tile, read.time, read.tally.clone()));
            let _gone = out.send(Outgoing::Tile { lease, read, _room: (place, memory) }).await;
        }
        Err(error) => {
            let source = worker::Error::Read { input: error.input, source: error.source };
            job.fail(Error::Tile { tile, source, advice: String::new(), log: Vec::new() });
        }
    }
}

/// Sends all that comes out of the channel, and heartbeats.
pub async fn send(
    job: Arc<RemoteJob>,
    mut writer: Writer<FromController>,
    mut out: mpsc::Receiver<Outgoing>,
) -> Result<(), wire::Error> {
    let mut beat = tokio::time::interval(job.heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            next = out.recv() => match next {
                None => return writer.close().await,
                Some(Outgoing::Message(message)) => writer.send(&message, &[]).await?,
                Some(Outgoing::Module) => {
                    let message = FromController::Module { len: job.module.len() as u64 };
                    writer.send(&message, &[&job.module]).await?;
                }
                Some(Outgoing::Tile { lease, read, _room }) => {
                    let inputs = heads(&job.task, lease.tile);
                    let message = FromController::Tile { lease, inputs, marks_len: read.marks_len };
                    let parts: Vec<&[u8]> = read.pixels.iter().map(Vec::as_slice).collect();
                    writer.send(&message, &parts).await?;
                }
            },
            _ = beat.tick() => writer.send(&FromController::Heartbeat, &[]).await?,
        }
    }
}

/// Type and shape of each input raster under a tile.
fn heads(task: &Task, tile: u64) -> Vec<Vec<RasterHead>> {
    let window = task.tiling.tile(tile).and_then(|t| t.window.padded(task.halo));
    let (rows, cols) = window.map_or((0, 0), |w| (w.rows, w.cols));
    let head = |raster: &worker::Raster| RasterHead {
        dtype: raster.dtype,
        bands: u32::try_from(raster.bands.len()).unwrap_or(u32::MAX),
        rows,
        cols,
    };
    task.inputs.iter().map(|i| i.rasters.iter().map(head).collect()).collect()
}
