//! Both ends over an in-memory pipe: greeting, terms, payloads, interruptions.
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncWriteExt, duplex};

use super::*;
use crate::frame::{Coding, Head, PREFACE, encode};

fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(x) => Some(x),
        Poll::Pending => None,
    }
}

/// Smooth 16-bit pixels with a nodata corner: what compresses.
fn smooth(rows: u32, cols: u32) -> Vec<u8> {
    let pixel = |r: u32, c: u32| {
        if r + c < 50 { 0 } else { u16::try_from((8_000 + r * 3 + c * 2) % 60_000).unwrap() }
    };
    (0..rows).flat_map(|r| (0..cols).flat_map(move |c| pixel(r, c).to_le_bytes())).collect()
}

#[tokio::test]
async fn both_sides_learn_of_each_other() {
    let Pair { worker, .. } = pair(4096, Compression::None).await;
    assert_eq!(worker.task.parts().collect::<Vec<_>>(), [b"task"]);
    let expected = Welcome { protocol: PROTOCOL, heartbeat_ms: 5_000, compression: Compression::None, task_len: 4 };
    assert_eq!(worker.welcome, expected);

    let (a, b) = duplex(4096);
    let worker = tokio::spawn(join(b, secret(), about(), Pool::new(1 << 20), LIMITS));
    let joining = greet(a, peer(), &secret(), Pool::new(1 << 20)).await.unwrap();
    assert_eq!((&joining.about, joining.peer), (&about(), Some(peer())));
    joining.refuse("the job has all the workers it wants").await.unwrap();
    assert_eq!(
        worker.await.unwrap().err().unwrap().to_string(),
        "the controller refused this worker: the job has all the workers it wants"
    );
}

#[tokio::test]
async fn a_wrong_secret_gets_no_answer() {
    let (a, b) = duplex(4096);
    let wrong = Secret::of([0x5b; 32]);
    let worker = tokio::spawn(join(b, wrong, about(), Pool::new(1 << 20), LIMITS));
    let error = greet(a, peer(), &secret(), Pool::new(1 << 20)).await.err().unwrap();
    assert_eq!(error.to_string(), "the secret is wrong");
    assert_eq!(
        worker.await.unwrap().err().unwrap().to_string(),
        "the controller closed the connection without an answer: the ticket is another job's, or the two tilefn \
         versions are too different"
    );
}

/// A greeting of a later version: the fixed beginning, then what this version cannot know.
async fn later_greeting(stream: &mut DuplexStream, secret: Secret) {
    let mut message = Vec::new();
    encode(&(0_u32, Protocols { min: PROTOCOL + 1, max: PROTOCOL + 2 }, secret), &mut message).unwrap();
    message.extend([0xff; 100]);
    let head = Head { coding: Coding::Plain, header: u32::try_from(message.len()).unwrap(), payload: 0 };
    stream.write_all(&[&PREFACE[..], &head.to_bytes(), &message].concat()).await.unwrap();
}

#[tokio::test]
async fn a_later_protocol_is_refused_with_one_text_on_both_sides() {
    let text = "the worker speaks protocol 4 to 5, the controller 3: run the same tilefn version on both sides";
    let (a, mut b) = duplex(4096);
    later_greeting(&mut b, secret()).await;
    assert_eq!(greet(a, peer(), &secret(), Pool::new(1 << 20)).await.err().unwrap().to_string(), text);
    let mut worker: Reader<FromController> = Reader::new(b, Pool::new(1 << 20), LIMITS);
    assert_eq!(worker.recv().await.unwrap().0, FromController::Refuse { reason: text.into() });

    let (a, mut b) = duplex(4096);
    later_greeting(&mut b, Secret::of([1; 32])).await;
    assert_eq!(
        greet(a, peer(), &secret(), Pool::new(1 << 20)).await.err().unwrap().to_string(),
        "the secret is wrong",
        "the version is not told to strangers"
    );
}

#[tokio::test]
async fn a_worker_refuses_a_protocol_it_did_not_offer() {
    let (a, b) = duplex(4096);
    let mut controller: Writer<FromController> = Writer::new(a);
    let welcome = Welcome { protocol: 7, heartbeat_ms: 1, compression: Compression::None, task_len: 0 };
    controller.send(&FromController::Welcome(welcome), &[&[]]).await.unwrap();
    assert_eq!(
        join(b, secret(), about(), Pool::new(1 << 20), LIMITS).await.err().unwrap().to_string(),
        "the controller chose protocol 7, this worker speaks 3: run the same tilefn version on both sides"
    );
}

#[test]
fn protocols_are_chosen_as_high_as_both_can() {
    let range = |min, max| Protocols { min, max };
    assert_eq!(range(1, 3).choose(range(2, 5)).unwrap(), 3);
    assert_eq!(range(2, 5).choose(range(1, 3)).unwrap(), 3);
    assert!(range(1, 1).choose(range(2, 2)).is_err());
    assert!(range(2, 2).choose(range(1, 1)).is_err());
    assert!(range(1, 5).choose(range(4, 2)).is_err(), "an empty range");
}

#[tokio::test]
async fn pixels_and_state_arrive_as_sent_whatever_the_pipe_and_compression() {
    let pixels = smooth(700, 450);
    let classes: Vec<u8> = (0..700_u32 * 450).map(|i| u8::from(i % 1_000 > 300)).collect();
    let state = [1, 2, 3, 4, 5];
    let heads = vec![vec![raster(DType::UInt16, 700, 450)], vec![raster(DType::UInt8, 700, 450)]];
    for compression in [Compression::None, Compression::Lz4] {
        for pipe in [7, 4096, 4 << 20] {
            let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(pipe, compression).await;
            let message = result(heads.clone(), 5);
            let parts: [&[u8]; 3] = [&pixels, &classes, &state];
            let send = async {
                writer.send(&message, &parts).await.unwrap();
                writer.send(&FromWorker::ModuleRequest, &[]).await.unwrap();
            };
            let receive = async {
                let (got, payload) = from_worker.recv().await.unwrap();
                assert_eq!(format!("{got:?}"), format!("{message:?}"));
                assert!(payload.parts().eq(parts), "{compression:?}, pipe of {pipe}");
                assert!(matches!(from_worker.recv().await.unwrap().0, FromWorker::ModuleRequest));
            };
            tokio::join!(send, receive);
        }
    }
}

#[tokio::test]
async fn compression_saves_bytes_on_smooth_pixels() {
    let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(4096, Compression::Lz4).await;
    let pixels = smooth(512, 512);
    let message = result(vec![vec![raster(DType::UInt16, 512, 512)]], 0);
    // Whether it was compressed shows in the stream of a second writer with the same terms.
    let (a, mut b) = duplex(1 << 20);
    let mut seen: Writer<FromWorker> = Writer::new(a);
    seen.set_compression(Compression::Lz4);
    seen.send(&message, &[&pixels, &[]]).await.unwrap();
    seen.close().await.unwrap();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut b, &mut bytes).await.unwrap();
    assert!(bytes.len() < pixels.len() / 2, "{} of {}", bytes.len(), pixels.len());
    let parts: [&[u8]; 2] = [&pixels, &[]];
    let (sent, received) = tokio::join!(writer.send(&message, &parts), from_worker.recv());
    sent.unwrap();
    assert_eq!(received.unwrap().1.part(0), Some(&pixels[..]));
}

#[tokio::test]
async fn a_dropped_recv_loses_nothing() {
    for compression in [Compression::None, Compression::Lz4] {
        let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(1000, compression).await;
        let pixels = smooth(300, 300);
        let message = result(vec![vec![raster(DType::UInt16, 300, 300)]], 0);
        let parts: [&[u8]; 2] = [&pixels, &[]];
        let mut send = Box::pin(writer.send(&message, &parts));
        // Every poll of the receiver is its last: a new future goes on where it was.
        let mut sent = false;
        let (_, payload) = loop {
            sent = sent || poll(send.as_mut()).is_some();
            if let Some(received) = poll(from_worker.recv()) {
                break received.unwrap();
            }
            // tokio stops serving a task that never yields.
            tokio::task::yield_now().await;
        };
        assert_eq!(payload.part(0), Some(&pixels[..]));
    }
}

#[tokio::test]
async fn a_dropped_send_is_noticed() {
    let Pair { worker: Joined { mut writer, .. }, from_worker, .. } = pair(1000, Compression::None).await;
    let message = result(vec![vec![raster(DType::UInt8, 100, 100)]], 0);
    assert!(poll(writer.send(&message, &[&[0; 10_000], &[]])).is_none());
    let error = writer.send(&FromWorker::ModuleRequest, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "an earlier message was not sent to its end");
    drop(from_worker);
}

#[tokio::test]
async fn wrong_parts_are_not_sent() {
    let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(1 << 20, Compression::None).await;
    let message = result(vec![vec![raster(DType::UInt16, 2, 2)]], 0);
    for parts in [&[&[0_u8; 8][..]][..], &[&[0; 7], &[]], &[&[0; 8], &[1]], &[]] {
        let error = writer.send(&message, parts).await.unwrap_err();
        assert_eq!(error.to_string(), "malformed message: the parts given to Result are not those announced");
    }
    writer.send(&message, &[&[0; 8], &[]]).await.unwrap();
    assert!(matches!(from_worker.recv().await.unwrap().0, FromWorker::Result(_)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_and_heartbeats_keep_it() {
    let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(4096, Compression::None).await;
    let start = tokio::time::Instant::now();
    let beats = async {
        for _ in 0..10 {
            // One of two heartbeats of 5 s is lost, the other late.
            tokio::time::sleep(Duration::from_secs(12)).await;
            writer.send(&FromWorker::Heartbeat { memory: 0 }, &[]).await.unwrap();
        }
    };
    let receive = async {
        loop {
            if let Err(e) = from_worker.recv().await {
                return e;
            }
        }
    };
    let ((), error) = tokio::join!(beats, receive);
    assert_eq!(error.to_string(), "nothing was heard from the other side for 12.5s");
    assert_eq!(start.elapsed(), Duration::from_millis(10 * 12_000 + 12_500));
    assert_eq!(from_worker.recv().await.unwrap_err().to_string(), Error::Closed.to_string());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_memory_is_not_the_peers_silence() {
    let (a, b) = duplex(1 << 20);
    let pool = Pool::new(64 << 10);
    let mut reader: Reader<FromWorker> = Reader::new(a, pool, LIMITS);
    reader.set_silence(Duration::from_secs(20));
    let mut writer: Writer<FromWorker> = Writer::new(b);
    let message = result(vec![vec![raster(DType::UInt8, 256, 256)]], 0);
    for _ in 0..2 {
        writer.send(&message, &[&[7; 65_536], &[]]).await.unwrap();
    }
    let first = reader.recv().await.unwrap();
    let free = async {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(first);
    };
    let ((), second) = tokio::join!(free, reader.recv());
    assert_eq!(second.unwrap().1.part(0), Some(&[7; 65_536][..]));
}

#[tokio::test]
async fn the_end_of_a_connection_is_orderly_only_between_messages() {
    let Pair { mut from_worker, worker: Joined { mut writer, .. }, .. } = pair(4096, Compression::None).await;
    writer.send(&FromWorker::Bye { why: "done".into() }, &[]).await.unwrap();
    writer.close().await.unwrap();
    assert!(matches!(from_worker.recv().await.unwrap().0, FromWorker::Bye { .. }));
    assert_eq!(from_worker.recv().await.unwrap_err().to_string(), "the connection was closed by the other side");
}

#[tokio::test]
async fn a_process_greets_on_the_socket_it_inherits_and_the_end_of_either_side_shows() {
    let (ours, theirs) = Socket::pair().unwrap();
    let inherited = Socket::inherited(theirs.as_fd()).unwrap();
    drop(theirs);
    let worker = tokio::spawn(inherited.join(about(), Pool::new(1 << 20), LIMITS));
    let joining = ours.greet(Pool::new(1 << 20)).await.unwrap();
    assert_eq!((&joining.about, joining.peer), (&about(), None));
    let terms = Terms { heartbeat: Duration::from_secs(5), compression: Compression::for_peer(None) };
    let (mut reader, mut writer) = joining.welcome(terms, b"task", LIMITS).await.unwrap();
    let mut joined = worker.await.unwrap().unwrap();
    assert_eq!((joined.task.part(0), joined.welcome.compression), (Some(&b"task"[..]), Compression::None));
    let pixels = smooth(300, 200);
    let message = result(vec![vec![raster(DType::UInt16, 300, 200)]], 0);
    joined.writer.send(&message, &[&pixels, &[]]).await.unwrap();
    assert_eq!(reader.recv().await.unwrap().1.part(0), Some(&pixels[..]));
    drop(joined);
    assert!(matches!(reader.recv().await.err().unwrap(), Error::Closed));
    assert!(writer.send(&FromController::Finish, &[]).await.is_err());
}

/// While the controller plans nothing is heard from it, for as long as that takes; its death is.
#[tokio::test(start_paused = true)]
async fn a_process_waits_for_its_controller_without_limit() {
    let (ours, theirs) = Socket::pair().unwrap();
    let inherited = Socket::inherited(theirs.as_fd()).unwrap();
    drop(theirs);
    let worker = tokio::spawn(inherited.join(about(), Pool::new(1 << 20), LIMITS));
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert!(!worker.is_finished());
    drop(ours);
    let error = worker.await.unwrap().err().unwrap();
    assert!(matches!(error, Error::NoAnswer) && error.is_transient(), "{error}");
}

#[test]
fn only_a_socket_can_be_inherited() {
    let file = std::fs::File::open("/dev/null").unwrap();
    assert!(Socket::inherited(file.as_fd()).is_err());
}

/// A peer that takes a little now and then is slow; one that takes nothing is given up.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_given_up() {
    let limit = Duration::from_secs(60);
    let (a, mut b) = duplex(4096);
    let mut writer: Writer<FromController> = Writer::new(a);
    writer.set_patience(limit);
    let module = vec![7; 100_000];
    let message = FromController::Module { len: 100_000 };
    let slow = async {
        let mut taken = vec![0; 10_000];
        for _ in 0..11 {
            tokio::time::sleep(limit * 9 / 10).await;
            if tokio::io::AsyncReadExt::read_exact(&mut b, &mut taken).await.is_err() {
                break;
            }
        }
        tokio::time::sleep(limit * 2).await;
    };
    let sending = async {
        writer.send(&message, &[&module]).await.unwrap();
        let started = tokio::time::Instant::now();
        let error = writer.send(&message, &[&module]).await.unwrap_err();
        assert!(matches!(error, Error::Stalled(l) if l == limit) && error.is_transient(), "{error}");
        assert!(started.elapsed() >= limit);
        assert!(matches!(writer.send(&message, &[&module]).await, Err(Error::HalfSent)));
    };
    tokio::join!(sending, slow);
}
