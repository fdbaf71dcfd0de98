//! The protocol between controller and worker, without what either does: `docs/wire.md` describes it.
//!
//! A controller makes a [`Secret`] and a [`JobCertificate`], opens a [`Listener`], and hands out [`Ticket`]s. A worker
//! [`connect`]s with its ticket; a worker process that the controller starts inherits a [`Socket`]. Each side then has a
//! [`Reader`] and a [`Writer`]. Task descriptions, modules and states are opaque bytes here. Every length is checked before
//! memory is taken for it, every message against its bounds.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tilefn_wire::*;
//! use types::WorkerKind;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
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
//!         task_arn: None, threads: 2, reads: true,
//!     };
//!     let limits = PayloadLimits { task: 1 << 20, module: 64 << 20, tile: 64 << 20, result: 0, rasters: 1 };
//!     let mut joined = connect(&ticket, &about, &Pool::new(64 << 20), limits).await?;
//!     assert_eq!(joined.task.part(0), Some(&b"the task"[..]));
//!     joined.writer.send(&FromWorker::Want { tiles: 4 }, &[]).await?;
//!     while let (FromController::Tile { lease, .. }, _pixels) = joined.reader.recv().await? {
//!         let raster = RasterHead { dtype: tilefn_abi::DType::UInt8, bands: 1, rows: 2, cols: 3 };
//!         let outcome = TileOutcome::Done { outputs: vec![vec![raster]], state_len: 0 };
//!         let result = TileResult { lease, outcome, cost: Cost::default(), log: Log::default(), tally: Default::default() };
//!         joined.writer.send(&FromWorker::Result(result), &[&[1, 2, 3, 4, 5, 6], &[]]).await?;
//!     }
//!     joined.writer.send(&FromWorker::Bye { why: "finished".into() }, &[]).await
//! });
//!
//! let joining = listener.accept().await;
//! let terms = Terms { heartbeat: Duration::from_secs(5), compression: Compression::for_peer(joining.peer) };
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
mod check;
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

pub use check::Message;
pub use codec::Compression;
pub use error::Error;
pub use handshake::{Joined, Joining, Terms, connect, greet, join};
pub use limits::{ALIGN, MAX_BANDS, MAX_LEASES, MAX_RASTERS, MAX_TEXT, PayloadLimits, clip};
pub use listen::Listener;
pub use local::Socket;
pub use message::{
    About, Cost, FromController, FromWorker, Hello, Lease, Log, Protocols, RasterHead, TileFailure, TileOutcome,
    TileResult, Welcome,
};
pub use payload::{Payload, Pool};
pub use reader::Reader;
pub use secret::Secret;
pub use ticket::Ticket;
pub use tls::{Fingerprint, JobCertificate};
pub use writer::Writer;

#[cfg(test)]
mod tests;
