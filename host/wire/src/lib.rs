//! All that controller and worker say to each other, and nothing of what either does: `docs/wire.md` is the protocol.
//!
//! A controller makes a [`Secret`] and a [`JobCertificate`], opens a [`Listener`], and hands [`Ticket`]s out. A worker
//! [`connect`]s with its ticket; one that the controller itself starts inherits a [`Socket`]. Both then hold a [`Reader`] and a [`Writer`]. Task descriptions, modules and states
//! are opaque bytes here. Every length is checked before memory is taken for it, every message against its bounds.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tilefn_wire::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), WireError> {
//! // The controller: at most 256 MiB of received pixels wait in memory, whatever the number of workers.
//! let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = tcp.local_addr()?.to_string();
//! let (secret, certificate) = (Secret::generate()?, JobCertificate::generate()?);
//! let expires = SystemTime::now() + Duration::from_secs(3600);
//! let module = Fingerprint::of(b"\0asm");
//! let ticket = Ticket::new("job-1", vec![address], certificate.fingerprint(), secret.clone(), module, expires);
//! let mut listener = Listener::new(tcp, certificate, secret, Pool::new(256 << 20));
//!
//! // The worker, elsewhere.
//! let worker = tokio::spawn(async move {
//!     let about = About {
//!         name: "w1".into(), host: "box".into(), pid: std::process::id(), kind: WorkerKind::External,
//!         task_arn: None, threads: 2, reads: true, version: "0.1.0".into(), arch: std::env::consts::ARCH.into(),
//!     };
//!     let limits = PayloadLimits { task: 1 << 20, module: 64 << 20, tile: 64 << 20, result: 0, rasters: 1 };
//!     let mut joined = connect(&ticket, &about, &Pool::new(64 << 20), limits).await?;
//!     assert_eq!(joined.task.part(0), Some(&b"the task"[..]));
//!     joined.writer.send(&FromWorker::Want { tiles: 4 }, &[]).await?;
//!     while let (FromController::Tile { lease, .. }, _pixels) = joined.reader.recv().await? {
//!         let raster = RasterHead { dtype: tilefn_abi::DType::UInt8, bands: 1, rows: 2, cols: 3, nodata: None };
//!         let outcome = Outcome::Done { outputs: vec![vec![raster]], state_len: 0 };
//!         let result = TileResult { lease, outcome, cost: Cost::default(), log: Log::default(), tally: Default::default() };
//!         joined.writer.send(&FromWorker::Result(result), &[&[1, 2, 3, 4, 5, 6], &[]]).await?;
//!     }
//!     joined.writer.send(&FromWorker::Bye { why: "finished".into() }, &[]).await
//! });
//!
//! let joining = listener.accept().await;
//! let terms = Terms {
//!     worker: 1, heartbeat: Duration::from_secs(5), compression: Compression::for_peer(joining.peer),
//! };
//! let limits = PayloadLimits { result: 64 << 20, rasters: 1, ..PayloadLimits::default() };
//! let (mut reader, mut writer) = joining.welcome(terms, b"the task", limits).await?;
//! loop {
//!     match reader.recv().await? {
//!         (FromWorker::Want { .. }, _) => {
//!             let lease = Lease { tile: 0, lease: 1 };
//!             writer.send(&FromController::Tile { lease, inputs: vec![], marks_len: 0 }, &[]).await?;
//!         }
//!         (FromWorker::Result(result), pixels) => {
//!             assert_eq!(result.lease.tile, 0);
//!             assert_eq!(pixels.part(0), Some(&[1, 2, 3, 4, 5, 6][..]));
//!             writer.send(&FromController::Finish, &[]).await?;
//!         }
//!         (FromWorker::Bye { .. }, _) => break,
//!         _ => {}
//!     }
//! }
//! # worker.await.unwrap()
//! # }
//! ```
mod codec;
mod error;
mod frame;
mod handshake;
mod limits;
mod listen;
mod local;
mod message;
mod payload;
mod reader;
pub mod runtime;
mod secret;
mod ticket;
mod tls;
mod writer;

pub use codec::Compression;
pub use error::WireError;
pub use handshake::{Joined, Joining, Terms, connect, greet, join};
pub use limits::{
    ALIGN, MAX_BANDS, MAX_HEADER, MAX_LEASES, MAX_LOG_BYTES, MAX_LOG_LINES, MAX_NAME, MAX_RASTERS, MAX_TEXT,
    PayloadLimits, clip, silence,
};
pub use listen::Listener;
pub use local::Socket;
pub use message::{
    About, Cost, FailureKind, FromController, FromWorker, Hello, Lease, Log, Message, Outcome, PROTOCOL, Protocols,
    RasterHead, TileFailure, TileResult, Welcome, WorkerKind,
};
pub use payload::{Payload, Pool};
pub use reader::Reader;
pub use secret::Secret;
pub use ticket::{TICKET_VERSION, Ticket};
pub use tls::{Fingerprint, JobCertificate};
pub use writer::Writer;

#[cfg(test)]
mod tests;
