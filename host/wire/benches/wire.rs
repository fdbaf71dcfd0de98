//! How fast pixels cross the wire on this machine: plain TCP, TLS, TLS with compression, and the processor time of each.
//!
//! `cargo bench -p tilefn --bench wire [-- FILE ELEMENT_BYTES]`: without a raw tile file, a smooth 16-bit tile with noise
//! in its low bits. Numbers go to `docs/decisions/0005-compression-and-tls.md`.
use std::time::{Duration, Instant, SystemTime};

use tilefn_abi::DType;
use tilefn_wire::{
    About, Compression, Cost, Error, Fingerprint, FromController, FromWorker, JobCertificate, Lease, Listener, Log,
    PayloadLimits, Pool, RasterHead, Reader, Secret, Terms, Ticket, TileOutcome, TileResult, Writer, connect,
};
use tokio::net::{TcpListener, TcpStream};
use types::WorkerKind;

/// Pixels sent in one measurement, in bytes; the best of [`RUNS`] counts.
const TOTAL: usize = 1 << 30;
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let (pixels, element) = match args.next() {
        Some(file) => (std::fs::read(file)?, args.next().map_or(Ok(1), |a| a.parse())?),
        None => (smooth(), 2),
    };
    let dtype = match element {
        1 => DType::UInt8,
        2 => DType::UInt16,
        4 => DType::Float32,
        _ => DType::Float64,
    };
    let cols = u32::try_from(pixels.len() / element)?;
    let raster = RasterHead { dtype, bands: 1, rows: 1, cols };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("{} bytes in a tile", pixels.len());
    for (name, tls, compression) in
        [("TCP", false, Compression::None), ("TLS", true, Compression::None), ("TLS + LZ4", true, Compression::Lz4)]
    {
        let mut best = (Duration::MAX, 0.0);
        for _ in 0..RUNS {
            let (reader, writer, _keep) = runtime.block_on(open(tls, compression))?;
            let cpu = cpu_seconds()?;
            let start = Instant::now();
            let bytes = runtime.block_on(transfer(reader, writer, raster, pixels.clone()))?;
            let cpu = cpu_seconds()? - cpu;
            if start.elapsed() < best.0 {
                best = (start.elapsed(), cpu / (bytes / 1e9));
                println!(
                    "{name:10} {:5.2} GB/s of pixels, {:.2} s of processor time per GB, both ends together",
                    bytes / 1e9 / best.0.as_secs_f64(),
                    best.1
                );
            }
        }
    }
    Ok(())
}

/// Both ends of a worker's way to its controller, and what keeps the rest of the connection open.
async fn open(
    tls: bool,
    compression: Compression,
) -> Result<(Reader<FromWorker>, Writer<FromWorker>, Option<Writer<FromController>>), Error> {
    let limits = PayloadLimits { task: 0, module: 0, tile: 0, result: 1 << 30, rasters: 1 };
    let pool = Pool::new(256 << 20);
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    if !tls {
        let (worker, accepted) = tokio::join!(TcpStream::connect(address), tcp.accept());
        return Ok((Reader::new(accepted?.0, pool, limits), Writer::new(worker?), None));
    }
    let (secret, certificate) = (Secret::generate()?, JobCertificate::generate()?);
    let expires = SystemTime::now() + Duration::from_secs(60);
    let module = Fingerprint([0; 32]);
    let pin = certificate.fingerprint();
    let ticket = Ticket::new("bench", vec![address.to_string()], pin, secret.clone(), module, expires);
    let mut listener = Listener::new(tcp, certificate, secret, pool.clone());
    let about = About {
        name: String::new(),
        host: String::new(),
        pid: 0,
        kind: WorkerKind::Processes,
        task_arn: None,
        threads: 1,
        reads: true,
    };
    let terms = Terms { heartbeat: Duration::from_secs(60), compression };
    let (joined, welcomed) = tokio::join!(connect(&ticket, &about, &pool, limits), async {
        listener.accept().await.welcome(terms, &[], limits).await
    });
    let (reader, keep) = welcomed?;
    Ok((reader, joined?.writer, Some(keep)))
}

/// Sends [`TOTAL`] bytes of pixels as results and receives them on another thread; the bytes received.
async fn transfer(
    mut reader: Reader<FromWorker>,
    mut writer: Writer<FromWorker>,
    raster: RasterHead,
    pixels: Vec<u8>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let tiles = TOTAL / pixels.len();
    let sender = tokio::spawn(async move {
        for tile in 0..tiles as u64 {
            let outcome = TileOutcome::Done { outputs: vec![vec![raster]], state_len: 0 };
            let lease = Lease { tile, lease: tile };
            let result = TileResult {
                lease,
                outcome,
                cost: Cost::default(),
                log: Log::default(),
                tally: types::tally::Tally::default(),
            };
            writer.send(&FromWorker::Result(result), &[&pixels, &[]]).await?;
        }
        writer.close().await
    });
    let receiver = tokio::spawn(async move {
        let mut bytes = 0.0;
        for _ in 0..tiles {
            let (_, payload) = reader.recv().await?;
            bytes += payload.parts().map(<[u8]>::len).sum::<usize>() as f64;
        }
        Ok::<f64, Error>(bytes)
    });
    let bytes = receiver.await??;
    sender.await??;
    Ok(bytes)
}

fn smooth() -> Vec<u8> {
    let mut noise = 1_u32;
    let mut pixel = |i: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (8_000 + i % 1_024 * 3 + (noise >> 28)).to_le_bytes()
    };
    (0..1_024 * 1_024).flat_map(|i| pixel(i).into_iter().take(2)).collect()
}

/// User and system time of this process, in seconds.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let ticks: Result<Vec<f64>, _> =
        stat.rsplit(") ").next().unwrap_or("").split(' ').skip(11).take(2).map(str::parse).collect();
    // Linux reports in hundredths of a second, whatever its own tick.
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}
