//! Tests of the protocol as a whole.
use std::time::Duration;

use tilefn_abi::DType;
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::limits::{MAX_LOG_BYTES, MAX_LOG_LINES, MAX_NAME};
use crate::message::PROTOCOL;
use types::WorkerKind;
use types::tally::Tally;

mod golden;
mod hostile;
mod mutation;
mod session;

fn about() -> About {
    About {
        name: "w1".into(),
        host: "box".into(),
        pid: 300,
        kind: WorkerKind::Fargate,
        task_arn: Some("arn".into()),
        threads: 2,
        reads: true,
    }
}

fn secret() -> Secret {
    Secret::of([0x5a; 32])
}

fn peer() -> std::net::SocketAddr {
    ([10, 0, 0, 1], 1234).into()
}

const LEASE: Lease = Lease { tile: 7, lease: 70_000 };

const LIMITS: PayloadLimits =
    PayloadLimits { task: 1 << 20, module: 1 << 20, tile: 16 << 20, result: 16 << 20, rasters: 16 };

fn raster(dtype: DType, rows: u32, cols: u32) -> RasterHead {
    RasterHead { dtype, bands: 1, rows, cols }
}

fn result(outputs: Vec<Vec<RasterHead>>, state_len: u64) -> FromWorker {
    let outcome = TileOutcome::Done { outputs, state_len };
    FromWorker::Result(TileResult {
        lease: LEASE,
        outcome,
        cost: Cost::default(),
        log: Log::default(),
        tally: Tally::default(),
    })
}

/// Two ends that agreed on terms over an in-memory pipe of `pipe` bytes.
struct Pair {
    from_worker: Reader<FromWorker>,
    /// Held only to keep the connection open.
    _to_worker: Writer<FromController>,
    worker: Joined,
}

async fn pair(pipe: usize, compression: Compression) -> Pair {
    let (a, b) = duplex(pipe);
    let controller = async {
        let joining = greet(a, peer(), &secret(), Pool::new(64 << 20)).await?;
        let terms = Terms { heartbeat: Duration::from_secs(5), compression };
        joining.welcome(terms, b"task", LIMITS).await
    };
    let worker = join(b, secret(), about(), Pool::new(64 << 20), LIMITS);
    let (controller, worker) = tokio::join!(controller, worker);
    let (from_worker, to_worker) = controller.unwrap();
    Pair { from_worker, _to_worker: to_worker, worker: worker.unwrap() }
}

/// A reader of worker messages past the greeting, and the raw end that feeds it.
fn raw() -> (Reader<FromWorker>, DuplexStream) {
    let (a, b) = duplex(1 << 20);
    (Reader::new(a, Pool::new(64 << 20), LIMITS), b)
}
