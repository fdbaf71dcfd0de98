//! Peers that lie, at a controller that has a job to do: the job doesn't notice, its log has one line for each.

use crate::labour::worker;
use crate::peer::{about, join, tcp, ticket, tls};
use crate::running::{Running, assert_tidy};
use crate::support::{Folder, Run};
use tilefn_abi::DType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::tally::Tally;
use wire::{
    self, Cost, FromController, FromWorker, Joined, Lease, Log, Payload, Pool, RasterHead, Secret, Ticket, TileFailure,
    TileOutcome, TileResult,
};

/// A job that copies an image slowly, and its controller.
fn start() -> (Folder, Running, Ticket) {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(256 * 256) * 7919 % 251).astype('u1').reshape(256, 256))");
    f.job(
        "slow",
        "[params]\nsteps = 3000000\n[inputs.image]\npath = 'a.tif'\n[outputs.slow]\npath = 'slow.tif'\n[grid]\ntile = [32, 32]\n\
         [workers]\nkind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\n\
         max_attempts = 100\n",
    );
    let mut command = f.command();
    command.args(["submit", "job.toml", "--report", "report.json"]);
    let mut controller = Running::start(&f, "controller", command);
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let ticket = ticket(&f.path().join("ticket"));
    (f, controller, ticket)
}

/// Lets two honest workers do the job; it must have the right pixels.
fn finish(f: &Folder, controller: Running) -> Run {
    let workers = ["one", "two"].map(|name| worker(f, name, "--threads 1"));
    let run = controller.wait();
    run.ok();
    for worker in workers {
        worker.wait().ok();
    }
    f.python("same('slow.tif', read('a.tif'))");
    assert_tidy(f, &["a.tif", "job.toml", "report.json", "slow.tif"]);
    run
}

/// The log lines about connections from 127.0.0.`last`.
fn lines(log: &str, last: u8) -> Vec<&str> {
    log.lines().filter(|l| l.contains(&format!("peer=127.0.0.{last}:"))).collect()
}

#[track_caller]
fn assert_turned_away(run: &Run, last: u8, why: &str) {
    match lines(&run.stderr, last)[..] {
        [line] => assert!(line.contains("connection turned away: ") && line.contains(why), "{line}"),
        _ => panic!("not one line about 127.0.0.{last} in:\n{}", run.stderr),
    }
}

#[tokio::test]
async fn strangers_learn_nothing_and_cost_a_line() {
    let (f, mut controller, ticket) = start();

    // The right door, the wrong secret.
    let secret = Secret::generate().unwrap();
    let limits = crate::peer::LIMITS;
    let answer = wire::join(tls(&ticket, 2).await, secret, about("thief"), Pool::new(1 << 20), limits).await;
    assert!(matches!(answer.err().unwrap(), wire::Error::NoAnswer));

    // A worker with another job's certificate in its ticket: it is the one that walks away.
    let mut other = ticket.clone();
    other.certificate_sha256 = other.module_sha256;
    let error = wire::connect(&other, &about("lost"), &Pool::new(1 << 20), limits).await.err().unwrap();
    assert!(matches!(error, wire::Error::WrongCertificate), "{error}");

    // Something else's protocol, and no protocol at all.
    for (last, bytes) in [(4, &b"GET / HTTP/1.1\r\nHost: tilefn\r\n\r\n"[..]), (5, &noise())] {
        let mut stream = tcp(&ticket, last).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // Reset or closed; at most TLS's own alert comes back.
        let _closed = stream.read_to_end(&mut answer).await;
        assert!(answer.len() < 16, "{answer:?}");
    }

    // Inside TLS, before the secret: another protocol, a length of 4 GiB, a message that ends half-way.
    let preface = [1, b't', b'i', b'l', b'e', b'f', b'n', b'\n'];
    let head = |len: u32| [&preface[..], &[1, 0, 0, 0], &len.to_le_bytes(), &[0; 8]].concat();
    for (last, bytes) in [(6, noise()), (7, head(u32::MAX)), (8, [head(64), vec![0; 10]].concat())] {
        let mut stream = tls(&ticket, last).await;
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _closed = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "told something");
    }

    // Half a handshake, and a thousand connections that say nothing; all held while the job is done.
    let mut half = tcp(&ticket, 9).await;
    half.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(tcp(&ticket, 10).await);
    }
    controller.says("peer=127.0.0.8:");

    let run = tokio::task::spawn_blocking(move || finish(&f, controller)).await.unwrap();
    assert_turned_away(&run, 2, "the secret is wrong");
    assert_turned_away(&run, 1, "received fatal alert: AccessDenied");
    assert_turned_away(&run, 4, "connection error");
    assert_turned_away(&run, 5, "connection error");
    assert_turned_away(&run, 6, "the other side does not speak tilefn's protocol");
    assert_turned_away(&run, 7, "a message of 4294967295 bytes exceeds the limit of 2048 bytes");
    assert_turned_away(&run, 8, "the connection broke off in the middle of a message");
    assert!(lines(&run.stderr, 10).len() <= 1, "{}", run.stderr);
    drop((half, idle));
}

fn noise() -> Vec<u8> {
    (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A joined peer that has asked for tiles and got one.
async fn with_a_tile(ticket: &Ticket, last: u8, name: &str) -> (Joined, Lease, Payload) {
    let mut joined = join(ticket, last, name).await.unwrap();
    joined.writer.send(&FromWorker::Want { tiles: 1 }, &[]).await.unwrap();
    loop {
        match joined.reader.recv().await.unwrap() {
            (FromController::Tile { lease, .. }, pixels) => return (joined, lease, pixels),
            (FromController::Heartbeat, _) => {}
            (other, _) => panic!("{other:?}"),
        }
    }
}

fn result(lease: Lease, outputs: Vec<Vec<RasterHead>>) -> FromWorker {
    let outcome = TileOutcome::Done { outputs, state_len: 0 };
    FromWorker::Result(TileResult {
        lease,
        outcome,
        cost: Cost::default(),
        log: Log::default(),
        tally: Tally::default(),
    })
}

/// What the copy of a tile looks like.
const RIGHT: RasterHead = RasterHead { dtype: DType::UInt8, bands: 1, rows: 32, cols: 32 };

/// Waits until the controller has closed the connection.
async fn until_closed(joined: &mut Joined) {
    while joined.reader.recv().await.is_ok() {}
}

#[tokio::test]
async fn results_count_once_and_only_with_a_lease() {
    let (f, controller, ticket) = start();
    let (mut peer, lease, pixels) = with_a_tile(&ticket, 2, "parrot").await;
    let right = pixels.part(0).unwrap();
    let wrong = vec![7; 32 * 32];
    let other_lease = Lease { lease: lease.lease + 1000, ..lease };
    let other_tile = Lease { tile: 63, ..lease };
    let no_tile = Lease { tile: u64::MAX, ..lease };
    let heads = vec![vec![RIGHT]];
    // Only the first of these is asked for; the others are wrong in their pixels, too.
    peer.writer.send(&result(lease, heads.clone()), &[right, &[]]).await.unwrap();
    for lease in [lease, other_lease, other_tile, no_tile] {
        peer.writer.send(&result(lease, heads.clone()), &[&wrong, &[]]).await.unwrap();
    }
    let failed = TileFailure { lease: other_tile, text: "a lie".into(), retryable: false, log: Log::default() };
    peer.writer.send(&FromWorker::Failed(failed), &[]).await.unwrap();
    peer.writer.send(&FromWorker::Returned { tiles: vec![other_tile, lease], why: "a lie".into() }, &[]).await.unwrap();
    peer.writer.send(&FromWorker::Bye { why: "done".into() }, &[]).await.unwrap();
    until_closed(&mut peer).await;
    let run = tokio::task::spawn_blocking(move || finish(&f, controller)).await.unwrap();
    let count = |tile: u64| {
        let line = format!("worker 1 sent a result for tile {tile}, which it doesn't hold; ignored");
        run.stderr.matches(&line).count()
    };
    // The same line is said once.
    assert_eq!((count(lease.tile), count(63), count(u64::MAX)), (1, 1, 1), "{}", run.stderr);
    assert_eq!(run.stderr.matches("worker 1 reports a failure of tile 63, which it doesn't hold; ignored").count(), 1);
}

#[tokio::test]
async fn workers_that_send_nonsense_lose_their_tiles() {
    let (f, mut controller, ticket) = start();
    let wide = RasterHead { cols: 33, ..RIGHT };
    let words = RasterHead { dtype: DType::UInt16, ..RIGHT };
    let cases: [(&str, Vec<Vec<RasterHead>>, &str); 5] = [
        ("wide", vec![vec![wide]], "a raster of slow with another type or shape than the tile's"),
        ("words", vec![vec![words]], "a raster of slow with another type or shape than the tile's"),
        ("none", vec![], "0 outputs instead of 1"),
        ("empty", vec![vec![]], "0 rasters of slow instead of 1"),
        ("twice", vec![vec![RIGHT, RIGHT]], "2 rasters of slow instead of 1"),
    ];
    for (name, outputs, _) in &cases {
        let (mut peer, lease, _) = with_a_tile(&ticket, 2, name).await;
        let sizes: Vec<_> =
            outputs.iter().flatten().map(|r| vec![0; usize::try_from(r.bytes().unwrap()).unwrap()]).collect();
        let parts: Vec<&[u8]> = sizes.iter().map(Vec::as_slice).chain([&[][..]]).collect();
        peer.writer.send(&result(lease, outputs.clone()), &parts).await.unwrap();
        until_closed(&mut peer).await;
    }
    // A greeting where none belongs, and more pixels than the job's limits allow: the head alone ends it.
    let (mut greeter, _, _) = with_a_tile(&ticket, 2, "greeter").await;
    let hello =
        wire::Hello { protocols: wire::Protocols::OURS, secret: ticket.secret.clone(), about: about("greeter") };
    greeter.writer.send(&FromWorker::Hello(hello), &[]).await.unwrap();
    until_closed(&mut greeter).await;
    // One that wants everything, and takes it away.
    let (mut glutton, _, _) = with_a_tile(&ticket, 2, "glutton").await;
    glutton.writer.send(&FromWorker::Want { tiles: u32::MAX }, &[]).await.unwrap();
    for _ in 0..17 {
        glutton.reader.recv().await.unwrap();
    }
    drop(glutton);
    controller.says("(glutton on test");
    let run = tokio::task::spawn_blocking(move || finish(&f, controller)).await.unwrap();
    for (name, _, why) in cases {
        let lines: Vec<_> = run.stderr.lines().filter(|l| l.contains(&format!("({name} on test, process "))).collect();
        assert!(matches!(lines[..], [line] if line.contains(why)), "{name}: {lines:?} in\n{}", run.stderr);
    }
    assert_eq!(run.stderr.matches("(greeter on test").count(), 1);
    assert!(run.stderr.contains("is lost: unexpected message: Hello instead of Want"), "{}", run.stderr);
}

#[test]
fn a_worker_with_a_wrong_ticket_says_what_may_be_wrong() {
    let (f, controller, mut ticket) = start();
    ticket.certificate_sha256 = ticket.module_sha256;
    ticket.write(&f.path().join("other")).unwrap();
    let mut command = f.command();
    command.args(["worker", "--ticket", "other"]);
    let run = Running::start(&f, "lost", command).wait();
    assert_eq!(
        run.error(12),
        "the server's certificate is not the one in the ticket: the ticket is of another job, or something else listens there"
    );
    std::fs::remove_file(f.path().join("other")).unwrap();
    finish(&f, controller);
}

/// What a terminal acts on: an escape sequence, DEL, the C1 form of one, an override of direction, an isolate, no width.
const ORDERS: &str = "\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\u{2066}\u{200b}";

#[tokio::test]
async fn what_a_worker_says_is_shown_but_not_obeyed() {
    let (f, controller, ticket) = start();
    let (mut peer, lease, _) = with_a_tile(&ticket, 2, &format!("evil{ORDERS}")).await;
    let mut log = Log::default();
    log.push(true, &format!("warning{ORDERS}"));
    let failed = TileFailure { lease, text: format!("failed{ORDERS}\nsecond line"), retryable: true, log };
    peer.writer.send(&FromWorker::Failed(failed), &[]).await.unwrap();
    peer.writer.send(&FromWorker::Bye { why: format!("bye{ORDERS}") }, &[]).await.unwrap();
    until_closed(&mut peer).await;
    let (run, report) = tokio::task::spawn_blocking(move || {
        let run = finish(&f, controller);
        (run, f.read("report.json"))
    })
    .await
    .unwrap();
    let spelt = r"\u{1b}[2J\u{7f}\u{9b}2J\u{202e}\u{2066}\u{200b}";
    assert!(run.stderr.contains(&format!("(evil{spelt} on test, process ")), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("failed{spelt}\nsecond line")), "{}", run.stderr);
    // Told again by who reads the report, it's harmless too.
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["workers"][0]["left"], format!("bye{spelt}"));
    assert!(report["warnings"][0].as_str().unwrap().contains(&format!("evil{spelt}")), "{report}");
    for text in [run.stderr, run.stdout, report.to_string()] {
        assert!(!text.chars().any(|c| ORDERS.replace("[2J", "").contains(c) && !"2J".contains(c)), "{text:?}");
    }
}

#[tokio::test]
async fn who_asks_for_the_module_again_or_tells_of_others_tiles_is_sent_away() {
    let (f, controller, ticket) = start();
    let mut asking = join(&ticket, 2, "asking").await.unwrap();
    for _ in 0..1000 {
        // The connection ends soon.
        let _gone = asking.writer.send(&FromWorker::ModuleRequest, &[]).await;
    }
    until_closed(&mut asking).await;
    let (mut telling, lease, _) = with_a_tile(&ticket, 3, "telling").await;
    for n in 1..1000 {
        let lease = Lease { lease: lease.lease + n, ..lease };
        let _gone = telling.writer.send(&result(lease, vec![vec![RIGHT]]), &[&[7; 32 * 32], &[]]).await;
    }
    until_closed(&mut telling).await;
    let run = tokio::task::spawn_blocking(move || finish(&f, controller)).await.unwrap();
    let lost = |name: &str, why: &str| {
        let lines = run.stderr.lines().filter(|l| l.contains(&format!("({name} on test, process ")));
        lines.filter(|l| l.ends_with(&format!(" is lost: {why}"))).count()
    };
    assert_eq!(lost("asking", "unexpected message: another ModuleRequest instead of Want"), 1, "{}", run.stderr);
    assert_eq!(lost("telling", "malformed message: too many about tiles that it doesn't hold"), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("which it doesn't hold; ignored").count(), 1, "{}", run.stderr);
}

/// One that asks for all tiles, takes none from its socket, and says without end that it's alive: others do its tiles.
#[tokio::test]
async fn a_hoarder_keeps_nothing_from_the_others() {
    let (f, controller, ticket) = start();
    let pid = controller.pid();
    let (peer, _, _) = with_a_tile(&ticket, 2, "hoarder").await;
    let Joined { mut writer, reader, .. } = peer;
    let hoarding = tokio::spawn(async move {
        let mut sent: u64 = 0;
        while writer.send(&FromWorker::Heartbeat { memory: 0 }, &[]).await.is_ok()
            && writer.send(&FromWorker::Want { tiles: u32::MAX }, &[]).await.is_ok()
        {
            sent += 1;
        }
        drop(reader);
        sent
    });
    let peak = tokio::task::spawn_blocking(move || {
        let workers = ["one", "two"].map(|name| worker(&f, name, "--threads 1"));
        let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut peak = 0;
        let mut controller = controller;
        while !controller.ended() {
            let kib = |text: String| {
                text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
            };
            peak = kib(status()).unwrap_or(peak);
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        controller.wait().ok();
        workers.into_iter().for_each(|w| _ = w.wait().ok());
        f.python("same('slow.tif', read('a.tif'))");
        peak
    })
    .await
    .unwrap();
    assert!(hoarding.await.unwrap() > 1000);
    assert!((1..400 << 10).contains(&peak), "{peak} KiB");
}
