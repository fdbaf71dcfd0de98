//! Many workers and many tiles at one controller, simulated: the workers are real connections that only say what workers say.
//!
//! A usual run is small. `TILEFN_SCALE_WORKERS=1000 TILEFN_SCALE_TILES=10000000` is the size to measure at, in a release build.

use crate::peer::{LIMITS, about, ticket};
use crate::running::Running;
use crate::support::Folder;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tilefn_abi::DType;
use types::tally::Tally;
use wire::{self, Cost, FromController, FromWorker, Joined, Log, Pool, RasterHead, Ticket, TileOutcome, TileResult};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |n| n.parse().unwrap())
}

/// What the controller has used at a point of the run.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// Processor time, hundredths of a second.
    processor: u64,
    /// Most resident memory so far, bytes.
    memory: u64,
    at: Instant,
}

fn used(pid: u32) -> Used {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    Used { processor: fields[11] + fields[12], memory: kib << 10, at: Instant::now() }
}

/// A controller whose tiles are one pixel each, `tiles` at least, and how many they are.
fn many_tiles(tiles: u64) -> (Folder, Running, Ticket, u64) {
    let side = (1..).find(|side| side * side >= tiles).unwrap();
    let f = Folder::new();
    f.python(&format!("write('a.tif', np.zeros(({side}, {side}), 'u1'), options=['TILED=YES', 'COMPRESS=ZSTD'])"));
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = 9\nstatistics = false\n[grid]\ntile = [1, 1]\n\
         [workers]\nkind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\nreads = 'worker'\nheartbeat = '10s'\n",
    );
    let (controller, ticket) = controller(&f);
    (f, controller, ticket, side * side)
}

fn controller(f: &Folder) -> (Running, Ticket) {
    let mut command = f.command();
    command.args(["submit", "job.toml", "--report", "report.json"]);
    let mut controller = Running::start(f, "controller", command);
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let ticket = ticket(&f.path().join("ticket"));
    (controller, ticket)
}

/// A worker that has joined and asked for tiles.
async fn joined(ticket: &Ticket, pool: &Pool, name: &str) -> Joined {
    let mut joined = loop {
        match wire::connect(ticket, &about(name), pool, LIMITS).await {
            Ok(joined) => break joined,
            // As real ones do when all come at once.
            Err(e) => assert!(e.is_transient(), "{e}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    joined.writer.send(&FromWorker::Want { tiles: 3 }, &[]).await.unwrap();
    joined
}

/// Answers every tile with `outcome` and `parts` until the job is done, as often as the controller asks.
async fn work(mut joined: Joined, outcome: TileOutcome, parts: &[&[u8]], done: Arc<AtomicU64>) {
    let mut beat = tokio::time::interval(Duration::from_millis(u64::from(joined.welcome.heartbeat_ms)));
    loop {
        let message = tokio::select! {
            message = joined.reader.recv() => message.unwrap().0,
            _ = beat.tick() => {
                joined.writer.send(&FromWorker::Heartbeat { memory: 0 }, &[]).await.unwrap();
                continue;
            }
        };
        match message {
            FromController::Tile { lease, .. } => {
                let result = TileResult {
                    lease,
                    outcome: outcome.clone(),
                    cost: Cost::default(),
                    log: Log::default(),
                    tally: Tally::default(),
                };
                joined.writer.send(&FromWorker::Result(result), parts).await.unwrap();
                joined.writer.send(&FromWorker::Want { tiles: 1 }, &[]).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
            FromController::Finish => {
                joined.writer.send(&FromWorker::Bye { why: "finished".into() }, &[]).await.unwrap();
                let _late = joined.writer.close().await;
                return;
            }
            _ => {}
        }
    }
}

#[test]
fn many_workers_and_tiles_cost_no_more_each_than_few() {
    let (workers, tiles) = (number("TILEFN_SCALE_WORKERS", 200), number("TILEFN_SCALE_TILES", 60_000));
    let (f, controller, ticket, tiles) = many_tiles(tiles);
    let pid = controller.pid();
    let done = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let pool = Pool::new(64 << 20);
    // All are there before the first tile counts, so that each third of the tiles is the same work.
    let joining: Vec<_> = (0..workers)
        .map(|n| {
            let (ticket, pool, done) = (ticket.clone(), pool.clone(), done.clone());
            runtime.spawn(async move {
                work(joined(&ticket, &pool, &format!("w{n}")).await, TileOutcome::Skipped, &[], done).await
            })
        })
        .collect();
    let mut marks = Vec::new();
    for part in 1..=3 {
        // A few repeats can be missing at the end: what was under way twice.
        while done.load(Ordering::Relaxed) < tiles * part / 4 {
            std::thread::sleep(Duration::from_millis(1));
        }
        marks.push(used(pid));
    }
    runtime.block_on(async {
        for worker in joining {
            worker.await.unwrap();
        }
    });
    let run = controller.wait();
    run.ok();
    let report: Value = serde_json::from_str(&f.read("report.json")).unwrap();
    assert_eq!((&report["tiles"]["skipped"], &report["tiles"]["done"]), (&tiles.into(), &0.into()));
    let [first, second, third] = marks[..] else { unreachable!() };
    let (early, late) = (second.processor - first.processor, third.processor - second.processor);
    let rate = (tiles / 2) as f64 / (third.at - first.at).as_secs_f64();
    println!(
        "{workers} workers, {tiles} tiles: {rate:.0} hand-outs/s, {:.1} µs of processor time a tile, memory {} MiB after a \
         quarter, {} MiB after three",
        (early + late) as f64 * 1e4 / (tiles / 2) as f64,
        first.memory >> 20,
        third.memory >> 20,
    );
    assert!(late < early * 2 + 50, "the second quarter took {early} hundredths of a second, the third {late}");
    assert!(third.memory < first.memory + (first.memory >> 3) + (16 << 20), "memory grows: {marks:?}");
    // Buffers of each connection, whatever the number of tiles.
    assert!(third.memory < (200 << 20) + workers * (1 << 20), "{marks:?}");
}

/// Rows and columns of the tiles that measure pixels: 1 MiB each.
const BIG: u32 = 512;

#[test]
fn pixels_go_through_one_controller() {
    let megabytes = number("TILEFN_SCALE_MEGABYTES", 64);
    let f = Folder::new();
    let tiles = megabytes;
    f.python(&format!(
        "write('a.tif', np.zeros(({} * {BIG}, {BIG}), 'f4'), options=['COMPRESS=ZSTD', 'TILED=YES'])",
        tiles
    ));
    f.job(
        "add",
        "[inputs.image]\npath = 'a.tif'\n[outputs.add]\npath = 'add.tif'\nstatistics = false\noptions = ['COMPRESS=NONE', 'TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512']\n\
         [grid]\ntile = [512, 512]\n[workers]\nkind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\nreads = 'worker'\n",
    );
    let (controller, ticket) = controller(&f);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let started = runtime.block_on(async {
        let pool = Pool::new(64 << 20);
        let workers = [joined(&ticket, &pool, "a").await, joined(&ticket, &pool, "b").await];
        let started = Instant::now();
        let head = RasterHead { dtype: DType::Float32, bands: 1, rows: BIG, cols: BIG };
        let outcome = TileOutcome::Done { outputs: vec![vec![head]], state_len: 0 };
        let running = workers.map(|worker| {
            let (outcome, done) = (outcome.clone(), done.clone());
            tokio::spawn(async move {
                let pixels = 1.5_f32.to_le_bytes().repeat((BIG * BIG) as usize);
                work(worker, outcome, &[&pixels, &[]], done).await;
            })
        });
        for worker in running {
            worker.await.unwrap();
        }
        started
    });
    let seconds = started.elapsed().as_secs_f64();
    controller.wait().ok();
    println!("{tiles} MiB of results in {seconds:.2} s: {:.0} MiB/s", tiles as f64 / seconds);
    f.python(&format!("same('add.tif', np.full(({tiles} * {BIG}, {BIG}), 1.5, 'f4'))"));
}
