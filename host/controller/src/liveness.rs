//! Tests how soon a dead worker's tile goes to another, in heartbeats. The clock is tokio's paused one, so the times are exact.

use super::control::Control;
use super::job_state::JobState;
use super::ranges::Ranges;
use super::remote_job::RemoteJob;
use super::schedule::{Policy, Schedule};
use super::server;
use super::writer::Writer;
use grid::{Crs, GeoTransform, Grid, Tiling};
use sandbox::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::duplex;
use tokio::time::{Instant, sleep, timeout};
use types::WorkerKind;
use wire::{About, FromController, FromWorker, Joined, PayloadLimits, Pool, Secret};
use worker::Task;

const HEARTBEAT: Duration = Duration::from_secs(2);
const LIMITS: PayloadLimits = PayloadLimits { task: 1 << 20, module: 1 << 20, tile: 1 << 20, result: 0, rasters: 1 };

/// A controller with a job of one tile, which its workers would read themselves.
pub fn remote_job() -> Arc<RemoteJob> {
    let tiling = Tiling::new(64, 64, 64, 64).unwrap();
    let grid = Grid { transform: GeoTransform::north_up(0.0, 0.0, 1.0, 1.0), rows: 64, cols: 64, crs: Crs::default() };
    let task = Task {
        function: "f".into(),
        module_sha256: String::new(),
        params: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        reduce: false,
        grid,
        tiling,
        halo: 0,
        skip_empty: false,
        limits: Limits::default(),
        block_cache: 0,
    };
    // Nothing is late here, so a tile moves on only when its worker is gone.
    let policy = Policy { max_attempts: 4, window: 1, straggler: Duration::MAX };
    let schedule = Schedule::new(tiling.count(), Ranges::default(), policy);
    let writer = Writer::new([], tiling);
    let job_state = JobState::new(writer, None, schedule, Arc::new(Control::default()), None, [64, 64]);
    let bytes = task.to_bytes().unwrap();
    Arc::new(RemoteJob::new(Arc::new(job_state), Arc::new(task), bytes, Vec::new(), None, HEARTBEAT))
}

/// What a worker says of itself.
pub(super) fn about(name: &str) -> About {
    About {
        name: name.into(),
        host: "test".into(),
        pid: 1,
        kind: WorkerKind::External,
        task_arn: None,
        threads: 1,
        reads: true,
    }
}

/// A worker that has joined and asked for a tile.
async fn worker(job: &Arc<RemoteJob>, name: &str) -> Joined {
    let (here, there) = duplex(1 << 16);
    let secret = Secret::generate().unwrap();
    let peer = ([127, 0, 0, 1], 1).into();
    let (joined, ()) =
        tokio::join!(wire::join(there, secret.clone(), about(name), Pool::new(1 << 20), LIMITS), async {
            let joining = wire::greet(here, peer, &secret, Pool::new(1 << 20)).await.unwrap();
            tokio::spawn(server::serve(job.clone(), joining));
        });
    let mut joined = joined.unwrap();
    joined.writer.send(&FromWorker::Want { tiles: 1 }, &[]).await.unwrap();
    joined
}

async fn beat(joined: &mut Joined) {
    joined.writer.send(&FromWorker::Heartbeat { memory: 0 }, &[]).await.unwrap();
}

/// Waits for a tile; says when it has come.
async fn tile(joined: &mut Joined) -> Result<Instant, wire::Error> {
    loop {
        if let (FromController::Tile { .. }, _) = joined.reader.recv().await? {
            return Ok(Instant::now());
        }
    }
}

/// Waits for a tile and gives signs of life meanwhile.
async fn tile_while_alive(joined: &mut Joined) -> Result<Instant, wire::Error> {
    loop {
        match timeout(HEARTBEAT, tile(joined)).await {
            Ok(tile) => return tile,
            Err(_) => beat(joined).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_workers_tile_is_out_again_before_the_third_heartbeat() {
    let job = remote_job();
    let mut first = worker(&job, "first").await;
    tile(&mut first).await.unwrap();
    let mut second = worker(&job, "second").await;
    for _ in 0..5 {
        assert!(timeout(HEARTBEAT, tile(&mut second)).await.is_err(), "one tile, two workers");
        beat(&mut second).await;
        beat(&mut first).await;
    }
    // The first dies with its connection open: its machine or the network is gone. It was heard at this very moment, the worst
    // case: no worker is found missing later.
    let died = Instant::now();
    let again = tile_while_alive(&mut second).await.unwrap();
    let heartbeats = again.duration_since(died).as_secs_f64() / HEARTBEAT.as_secs_f64();
    assert!((2.0..3.0).contains(&heartbeats), "after {heartbeats} heartbeats");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_misses_a_heartbeat_keeps_its_tile() {
    let job = remote_job();
    let mut first = worker(&job, "first").await;
    tile(&mut first).await.unwrap();
    let mut second = worker(&job, "second").await;
    let alive = async {
        for _ in 0..5 {
            // One of two is lost, the other late.
            sleep(HEARTBEAT * 2 + HEARTBEAT / 4).await;
            beat(&mut first).await;
        }
    };
    tokio::select! {
        again = tile_while_alive(&mut second) => panic!("the tile is out again: {again:?}"),
        () = alive => {}
    }
}
