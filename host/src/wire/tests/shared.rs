//! Payloads in memory that both ends have: when they lie there, and what a peer can't do with it.
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wire::frame::{Coding, Head, PREFACE, encode};
use crate::wire::shared::{SLOT, Shared};

/// Both ends of a connection with two slots for each direction. The pipe takes messages, but no pixels.
struct Ends {
    writer: Writer<FromWorker>,
    reader: Reader<FromWorker>,
}

impl Ends {
    /// Sends it in a slot if there is one, else through the pipe; and receives it.
    async fn pass(&mut self, message: &FromWorker, parts: &[&[u8]]) -> Payload {
        let sizes: Vec<_> = parts.iter().map(|part| part.len() as u64).collect();
        let slots = self.writer.slots().unwrap();
        let send = async {
            match Draft::new(&sizes, &slots).unwrap() {
                Some(mut draft) => {
                    parts.iter().enumerate().for_each(|(n, part)| draft.part_mut(n).unwrap().copy_from_slice(part));
                    self.writer.send_draft(message, draft).await.unwrap();
                }
                None => self.writer.send(message, parts).await.unwrap(),
            }
        };
        tokio::join!(send, self.reader.recv()).1.unwrap().1
    }
}

/// Sends a payload that must find a slot, though nobody reads and the pipe is too small for it.
async fn draft(writer: &mut Writer<FromWorker>, message: &FromWorker, pixels: &[u8]) {
    let mut draft = Draft::new(&[pixels.len() as u64, 3], &writer.slots().unwrap()).unwrap().unwrap();
    draft.part_mut(0).unwrap().copy_from_slice(pixels);
    draft.part_mut(1).unwrap().copy_from_slice(b"sum");
    assert!(draft.part_mut(2).is_none());
    writer.send_draft(message, draft).await.unwrap();
}

fn ends(pool: Pool) -> Ends {
    let (ours, theirs) = Shared::pair(2).unwrap();
    let (a, b) = duplex(1 << 10);
    let (mut writer, mut reader) = (Writer::new(a), Reader::new(b, pool, LIMITS));
    writer.set_slots(theirs.sends);
    reader.set_slots(ours.receives);
    Ends { writer, reader }
}

/// A result of 64 rows, each filled with `value`.
fn rows(value: u8, cols: u32) -> (FromWorker, Vec<u8>) {
    (result(vec![vec![raster(DType::UInt8, 64, cols)]], 3), vec![value; 64 * usize::try_from(cols).unwrap()])
}

#[tokio::test]
async fn payloads_lie_in_slots_and_only_their_messages_pass() {
    let Ends { mut writer, mut reader } = ends(Pool::new(1 << 20));
    // More often than there are slots: each is free again once its payload is dropped.
    for value in 0..9 {
        let (message, pixels) = rows(value, 1000);
        draft(&mut writer, &message, &pixels).await;
        let (came, payload) = reader.recv().await.unwrap();
        assert!(matches!(came, FromWorker::Result(_)));
        assert_eq!(payload.parts().collect::<Vec<_>>(), [&pixels[..], b"sum"]);
        assert_eq!(payload.part(0).unwrap().as_ptr().align_offset(16), 0);
    }
}

#[tokio::test]
async fn without_a_free_slot_the_bytes_pass_and_nobody_waits() {
    let mut ends = ends(Pool::new(1 << 20));
    let mut held = Vec::new();
    for value in 0..4 {
        let (message, pixels) = rows(value, 100);
        let payload = ends.pass(&message, &[&pixels, b"sum"]).await;
        held.push((pixels, payload));
    }
    for (pixels, payload) in &held {
        assert_eq!(payload.part(0), Some(&pixels[..]));
    }
    // The first slot is free again, and is used.
    let place = held.remove(0).1.part(0).unwrap().as_ptr();
    let (message, pixels) = rows(9, 1000);
    assert_eq!(ends.pass(&message, &[&pixels, b"sum"]).await.part(0).unwrap().as_ptr(), place);
}

#[tokio::test]
async fn what_is_too_small_or_too_large_for_a_slot_passes() {
    let mut ends = ends(Pool::new(64 << 20));
    ends.reader.set_limits(PayloadLimits { result: 64 << 20, ..LIMITS });
    let large = u32::try_from(SLOT / 64).unwrap();
    for cols in [1, 50, large - 1, large, large + 1] {
        let (message, pixels) = rows(7, cols);
        let parts: [&[u8]; 2] = [&pixels, b"sum"];
        assert!(ends.pass(&message, &parts).await.parts().eq(parts), "{cols} columns");
    }
}

#[tokio::test]
async fn a_draft_must_be_what_its_message_says_and_gives_its_slot_back_if_it_is_not() {
    let Ends { mut writer, mut reader } = ends(Pool::new(1 << 20));
    let slots = writer.slots().unwrap();
    let (message, pixels) = rows(1, 1000);
    for sizes in [&[63_999, 3][..], &[64_000, 4], &[64_000], &[64_000, 3, 1]] {
        for _ in 0..3 {
            let draft = Draft::new(sizes, &slots).unwrap().unwrap();
            let error = writer.send_draft(&message, draft).await.unwrap_err();
            assert_eq!(error.to_string(), "malformed message: the draft given to Result is not what it announces");
        }
    }
    assert!(Draft::new(&[u64::MAX, 1], &slots).is_err());
    draft(&mut writer, &message, &pixels).await;
    assert_eq!(reader.recv().await.unwrap().1.part(0), Some(&pixels[..]));
}

/// A worker that dies takes the slots with it that it had taken or been given, and no others.
#[tokio::test]
async fn the_end_of_a_connection_leaves_the_payloads_that_have_come() {
    let Ends { mut writer, mut reader } = ends(Pool::new(1 << 20));
    let (message, pixels) = rows(5, 1000);
    draft(&mut writer, &message, &pixels).await;
    let _half_made = Draft::new(&[64_000], &writer.slots().unwrap()).unwrap().unwrap();
    drop(writer);
    let payload = reader.recv().await.unwrap().1;
    assert!(matches!(reader.recv().await, Err(WireError::Closed)));
    drop(reader);
    assert_eq!(payload.part(0), Some(&pixels[..]));
}

/// The pool's budget is for what lies in slots, too.
#[tokio::test(start_paused = true)]
async fn a_payload_in_a_slot_waits_for_memory() {
    let Ends { mut writer, mut reader } = ends(Pool::new(64 << 10));
    for value in 0..2 {
        let (message, pixels) = rows(value, 1000);
        draft(&mut writer, &message, &pixels).await;
    }
    let first = reader.recv().await.unwrap().1;
    assert!(tokio::time::timeout(Duration::from_secs(60), reader.recv()).await.is_err());
    drop(first);
    assert_eq!(reader.recv().await.unwrap().1.part(0), Some(&rows(1, 1000).1[..]));
}

/// What comes of a frame that names a slot, where the first of two is filled.
async fn named(slot: u8, cols: u32) -> Result<(), WireError> {
    let (ours, theirs) = Shared::pair(2).unwrap();
    theirs.sends.take(1).unwrap().leave();
    let (mut raw, b) = duplex(1 << 10);
    let limits = PayloadLimits { result: u64::MAX, ..LIMITS };
    let mut reader: Reader<FromWorker> = Reader::new(b, Pool::new(1 << 20), limits);
    reader.set_slots(ours.receives);
    raw.write_all(&frame(slot, cols)).await.unwrap();
    reader.recv().await.map(|_| ())
}

fn frame(slot: u8, cols: u32) -> Vec<u8> {
    let (message, pixels) = (result(vec![vec![raster(DType::UInt8, 64, cols)]], 0), u64::from(cols) * 64);
    let mut bytes = Vec::new();
    encode(&message, &mut bytes).unwrap();
    let head = Head { coding: Coding::Slot(slot), header: u32::try_from(bytes.len()).unwrap(), payload: pixels };
    [&PREFACE[..], &head.to_bytes(), &bytes].concat()
}

#[tokio::test]
async fn a_slot_must_be_there_and_be_filled_and_large_enough() {
    let large = u32::try_from(SLOT / 64).unwrap();
    named(0, 1).await.unwrap();
    named(0, large).await.unwrap();
    for (slot, cols, text) in [
        (0, large + 1, "16777280 bytes in slot 0 of 2"),
        (1, 1, "slot 1, which has not been filled"),
        (2, 1, "64 bytes in slot 2 of 2"),
        (255, 1, "64 bytes in slot 255 of 2"),
        (0, u32::MAX, "274877906880 bytes in slot 0 of 2"),
    ] {
        assert_eq!(named(slot, cols).await.unwrap_err().to_string(), format!("malformed message: {text}"));
    }
}

#[tokio::test]
async fn a_slot_is_not_given_twice() {
    let (ours, theirs) = Shared::pair(1).unwrap();
    theirs.sends.take(1).unwrap().leave();
    let (mut raw, b) = duplex(1 << 10);
    let mut reader: Reader<FromWorker> = Reader::new(b, Pool::new(1 << 20), LIMITS);
    reader.set_slots(ours.receives);
    raw.write_all(&frame(0, 1)).await.unwrap();
    raw.write_all(&frame(0, 1)[PREFACE.len()..]).await.unwrap();
    let first = reader.recv().await.unwrap();
    let error = reader.recv().await.unwrap_err();
    assert_eq!(error.to_string(), "malformed message: slot 0, which has not been filled");
    drop(first);
}

/// The bytes of a frame whose payload lies in a slot.
#[tokio::test]
async fn only_the_slots_number_is_in_the_stream() {
    let (_ours, theirs) = Shared::pair(2).unwrap();
    let _first = theirs.sends.take(1).unwrap();
    let (a, mut b) = duplex(1 << 10);
    let mut writer = Writer::new(a);
    writer.set_slots(theirs.sends);
    let draft = Draft::new(&[4096, 0], &writer.slots().unwrap()).unwrap().unwrap();
    writer.send_draft(&result(vec![vec![raster(DType::UInt8, 64, 64)]], 0), draft).await.unwrap();
    writer.close().await.unwrap();
    let mut bytes = Vec::new();
    b.read_to_end(&mut bytes).await.unwrap();
    let expected = "01 74696c65666e0a
        01 02 01 00 16000000 0010000000000000
        04 07 fc 70110100 00 01 01 01 01 40 40 00 00 00 00 00 00 00 00";
    assert_eq!(hex::encode(bytes), expected.replace([' ', '\n'], ""));
}
