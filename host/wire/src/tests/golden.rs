//! The bytes of each message, written by hand from the format: numbers below 251 are one byte, else 251 and a u16, 252
//! and a u32, 253 and a u64; a text or list is its length and its items; an option 0, or 1 and the value; an enum its
//! variant's number and the fields. A change here is a change of the protocol.
use super::*;
use crate::frame::{Coding, HEAD, Head, decode, encode};
use crate::limits::MAX_COUNTS;
use types::tally::{Count, What};

fn same<M: Message + std::fmt::Debug>(message: &M, expected: &str) {
    let expected = hex::decode(expected.replace([' ', '\n'], "")).unwrap();
    let mut bytes = Vec::new();
    encode(message, &mut bytes).unwrap();
    assert_eq!(hex::encode(&bytes), hex::encode(&expected), "{}", message.name());
    let back: M = decode(&bytes).unwrap();
    back.check().unwrap();
    assert_eq!(format!("{back:?}"), format!("{message:?}"));
}

fn log() -> Log {
    let mut log = Log::default();
    log.push(true, "hm");
    log
}

const COST: Cost = Cost { read_ns: 1, run_ns: 256, peak_bytes: 65_536 };

#[test]
fn from_worker() {
    same(
        &FromWorker::Hello(Hello { protocols: Protocols { min: 1, max: 2 }, secret: secret(), about: about() }),
        &format!("00 01 02 {} 02 7731 03 626f78 fb 2c01 02 01 03 61726e 02 01", "5a".repeat(32)),
    );
    same(&FromWorker::ModuleRequest, "01");
    same(&FromWorker::Want { tiles: 4 }, "02 04");
    let rasters = vec![vec![RasterHead { dtype: DType::Float32, bands: 2, rows: 512, cols: 250 }], vec![]];
    let outcome = TileOutcome::Done { outputs: rasters, state_len: 9 };
    same(
        &FromWorker::Result(TileResult { lease: LEASE, outcome, cost: COST, log: log(), tally: tally(1) }),
        "03 07 fc 70110100 00 02 01 09 02 fb 0002 fa 00 09
         01 fb 0001 fc 00000100 01 01 02 686d 00 01 03 01 01 5a",
    );
    same(
        &FromWorker::Result(TileResult {
            lease: LEASE,
            outcome: TileOutcome::Skipped,
            cost: Cost::default(),
            log: Log::default(),
            tally: Tally::default(),
        }),
        "03 07 fc 70110100 01 00 00 00 00 00 00",
    );
    same(
        &FromWorker::Failed(TileFailure { lease: LEASE, text: "no".into(), retryable: true, log: log() }),
        "04 07 fc 70110100 02 6e6f 01 01 01 02 686d 00",
    );
    same(&FromWorker::Returned { tiles: vec![LEASE], why: "spot".into() }, "05 01 07 fc 70110100 04 73706f74");
    same(&FromWorker::Heartbeat { memory: 4_294_967_296 }, "06 fd 0000000001000000");
    same(&FromWorker::Bye { why: "".into() }, "07 00");
}

/// A kind of worker keeps its number, whatever its place in the job file's list.
#[test]
fn kinds_of_workers() {
    let hello = |kind| {
        let protocols = Protocols { min: 1, max: 2 };
        FromWorker::Hello(Hello { protocols, secret: secret(), about: About { kind, ..about() } })
    };
    let kinds = [WorkerKind::Processes, WorkerKind::External, WorkerKind::Fargate, WorkerKind::Ec2];
    let bytes = |number: usize| {
        format!("00 01 02 {} 02 7731 03 626f78 fb 2c01 {number:02x} 01 03 61726e 02 01", "5a".repeat(32))
    };
    for (number, kind) in kinds.into_iter().enumerate() {
        same(&hello(kind), &bytes(number));
    }
    let unknown = hex::decode(bytes(4).replace(' ', "")).unwrap();
    let error = decode::<FromWorker>(&unknown).unwrap_err().to_string();
    assert!(error.contains("no kind of worker has the number 4"), "{error}");
    let error = encode(&hello(WorkerKind::Threads), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("threads have no number"), "{error}");
}

#[test]
fn from_controller() {
    same(&FromController::Refuse { reason: "no".into() }, "00 02 6e6f");
    same(
        &FromController::Welcome(Welcome {
            protocol: 1,
            heartbeat_ms: 5_000,
            compression: Compression::Lz4,
            task_len: 251,
        }),
        "01 01 fb 8813 01 fb fb00",
    );
    same(&FromController::Module { len: 65_536 }, "02 fc 00000100");
    same(
        &FromController::Tile { lease: LEASE, inputs: vec![vec![raster(DType::UInt8, 1, 2)]], marks_len: 16 },
        "03 07 fc 70110100 01 01 01 01 01 02 10",
    );
    same(&FromController::Finish, "04");
    same(&FromController::Abort { reason: "x".into() }, "05 01 78");
    same(&FromController::Heartbeat, "06");
}

#[test]
fn frame_head() {
    let head = Head { coding: Coding::Packed(4), header: 0x0102, payload: 0x0304_0506 };
    assert_eq!(hex::encode(head.to_bytes()), "01010400020100000605040300000000");
    assert_eq!(Head::from_bytes(head.to_bytes(), 0x0102).unwrap(), head);
    let unknown = hex::decode("01020700020100000605040300000000").unwrap().try_into().unwrap();
    let error = Head::from_bytes(unknown, 0x0102).unwrap_err().to_string();
    assert_eq!(error, "malformed message: a payload coded 2 by 7");
    let plain = Head { coding: Coding::Plain, header: 0, payload: 0 };
    assert_eq!(hex::encode(plain.to_bytes()), format!("01{}", "00".repeat(HEAD - 1)));
}

#[tokio::test]
async fn a_whole_stream() {
    use tokio::io::AsyncReadExt;
    let (a, mut b) = duplex(4096);
    let mut writer = Writer::new(a);
    writer.send(&result(vec![vec![raster(DType::UInt8, 1, 3)]], 2), &[&[1, 2, 3], &[8, 9]]).await.unwrap();
    writer.send(&FromWorker::ModuleRequest, &[]).await.unwrap();
    writer.close().await.unwrap();
    let mut bytes = Vec::new();
    b.read_to_end(&mut bytes).await.unwrap();
    let expected = "01 74696c65666e0a
        01 00 00 00 15000000 1200000000000000
        03 07 fc 70110100 00 01 01 01 01 01 03 02 00 00 00 00 00 00
        010203 00000000000000000000000000 0809
        01 00 00 00 01000000 0000000000000000
        01";
    assert_eq!(hex::encode(bytes), expected.replace([' ', '\n'], ""));
}

#[test]
fn the_largest_messages_fit_their_limits() {
    use crate::limits::{MAX_HEADER, MAX_HELLO, PLAIN_HEADER};
    let long = |n| "x".repeat(n);
    let mut log = Log::default();
    for _ in 0..MAX_LOG_LINES {
        log.push(true, &long(MAX_LOG_BYTES / MAX_LOG_LINES));
    }
    assert_eq!((log.lines().len(), log.dropped()), (MAX_LOG_LINES, 0));
    log.push(false, "one more");
    assert_eq!((log.lines().len(), log.dropped()), (MAX_LOG_LINES, 1));
    let cost = Cost { read_ns: u64::MAX, run_ns: u64::MAX, peak_bytes: u64::MAX };
    let lease = Lease { tile: u64::MAX, lease: u64::MAX };
    let head = RasterHead { dtype: DType::Float64, bands: 65_536, rows: u32::MAX, cols: u32::MAX };
    let most = usize::try_from(MAX_RASTERS).unwrap();
    let mut outputs = vec![vec![]; most - 1];
    outputs.push(vec![head; most]);
    let outcome = TileOutcome::Done { outputs: outputs.clone(), state_len: u64::MAX };
    let about = About {
        name: long(MAX_NAME),
        host: long(MAX_NAME),
        pid: u32::MAX,
        task_arn: Some(long(MAX_NAME)),
        threads: u32::MAX,
        ..about()
    };
    let mut tally = Tally::default();
    for place in 0..u32::try_from(MAX_COUNTS).unwrap() {
        tally.add(Count { what: What::Bits, place: u32::MAX - place, file: u32::MAX, pixels: u64::MAX });
    }
    let failure = TileFailure { lease, text: long(MAX_TEXT), retryable: true, log: log.clone() };
    let from_worker = [
        (
            FromWorker::Hello(Hello { protocols: Protocols { min: 9_999, max: 9_999 }, secret: secret(), about }),
            MAX_HELLO,
        ),
        (FromWorker::Result(TileResult { lease, outcome, cost, log, tally }), MAX_HEADER),
        (FromWorker::Failed(failure), PLAIN_HEADER),
        (FromWorker::Returned { tiles: vec![lease; MAX_LEASES], why: long(MAX_TEXT) }, PLAIN_HEADER),
        (FromWorker::Bye { why: long(MAX_TEXT) }, PLAIN_HEADER),
    ];
    for (message, limit) in from_worker {
        message.check().unwrap();
        let mut bytes = Vec::new();
        encode(&message, &mut bytes).unwrap();
        assert!(bytes.len() <= usize::try_from(limit).unwrap(), "{}: {}", message.name(), bytes.len());
    }
    let tile = FromController::Tile { lease, inputs: outputs, marks_len: u64::MAX };
    tile.check().unwrap();
    encode(&tile, &mut Vec::new()).unwrap();
}

#[test]
fn one_more_than_a_bound_is_refused() {
    let long = |n| "x".repeat(n);
    let one = raster(DType::UInt8, 1, 1);
    let FromWorker::Result(mut counts) = result(Vec::new(), 0) else { panic!("a result") };
    for place in 0..513 {
        counts.tally.merge(&tally(place));
    }
    let cases: [(FromWorker, &str); 9] = [
        (FromWorker::Result(counts), "513 counts, the limit is 512"),
        (
            FromWorker::Hello(Hello {
                protocols: Protocols::OURS,
                secret: secret(),
                about: About { host: long(257), ..about() },
            }),
            "257 bytes of a host name, the limit is 256",
        ),
        (result(vec![vec![]; 262_145], 0), "262145 inputs or outputs, the limit is 262144"),
        (result(vec![vec![one; 262_145]], 0), "262145 rasters, the limit is 262144"),
        (result(vec![vec![RasterHead { bands: 65_537, ..one }]], 0), "65537 bands, the limit is 65536"),
        (result(vec![vec![RasterHead { bands: 0, ..one }]], 0), "a raster without pixels"),
        (result(vec![vec![raster(DType::UInt8, 1, 0)]], 0), "a raster without pixels"),
        (FromWorker::Returned { tiles: vec![LEASE; 1025], why: "".into() }, "1025 returned tiles, the limit is 1024"),
        (FromWorker::Bye { why: long(16_385) }, "16385 bytes of a reason, the limit is 16384"),
    ];
    for (message, text) in cases {
        assert_eq!(message.check().unwrap_err().to_string(), format!("malformed message: {text}"));
    }
    let welcome = Welcome { protocol: 1, heartbeat_ms: 0, compression: Compression::None, task_len: 0 };
    assert_eq!(
        FromController::Welcome(welcome).check().unwrap_err().to_string(),
        "malformed message: a heartbeat of 0 ms"
    );
    let huge = RasterHead { dtype: DType::Float64, bands: 65_536, rows: u32::MAX, cols: u32::MAX };
    assert_eq!(
        result(vec![vec![huge]], 0).parts().unwrap_err().to_string(),
        "malformed message: a raster's size overflows"
    );
}

#[test]
fn unknown_numbers_are_refused() {
    assert!(decode::<FromWorker>(&[8]).is_err());
    assert!(decode::<FromController>(&[7]).is_err());
    let dtype = hex::decode("0307fc70110100010163010102 00".replace(' ', "")).unwrap();
    let error = decode::<FromController>(&dtype).unwrap_err().to_string();
    assert!(error.contains("no element type has the number 99"), "{error}");
    assert_eq!(decode::<FromController>(&[4, 0]).unwrap_err().to_string(), "malformed message: 1 bytes left over");
}

#[test]
fn clip_keeps_characters_whole() {
    assert_eq!(clip("naïve", 3), "na");
    assert_eq!(clip("naïve", 4), "naï");
    assert_eq!(clip("ok", 10), "ok");
}

fn tally(place: u32) -> Tally {
    let mut tally = Tally::default();
    tally.add(Count { what: What::Nodata, place, file: 1, pixels: 90 });
    tally
}
