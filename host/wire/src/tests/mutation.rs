//! Damaged streams: whatever the bytes, the reader ends with messages or an error, and takes no memory it may not.
//! The same property is fuzzed in `fuzz/`.
use proptest::prelude::*;

use super::*;
use crate::frame::{HEAD, PREFACE};
use crate::handshake::judge;

/// A stream of every kind of frame, compressed ones included.
fn stream() -> Vec<u8> {
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        let (a, mut b) = duplex(1 << 20);
        let mut writer: Writer<FromWorker> = Writer::new(a);
        let pixels: Vec<u8> = (0..8192_u32).flat_map(|i| u16::try_from(i / 7).unwrap().to_le_bytes()).collect();
        let message = result(vec![vec![raster(DType::UInt16, 64, 128)]], 3);
        writer.send(&message, &[&pixels, b"sum"]).await.unwrap();
        writer.set_compression(Compression::Lz4);
        writer.send(&message, &[&pixels, b"sum"]).await.unwrap();
        writer.send(&FromWorker::Returned { tiles: vec![LEASE; 3], why: "spot".into() }, &[]).await.unwrap();
        writer.send(&FromWorker::Want { tiles: 1 }, &[]).await.unwrap();
        writer.close().await.unwrap();
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut b, &mut bytes).await.unwrap();
        bytes
    })
}

/// Reads `bytes` to their end: how many messages came, and the error that ended them.
fn read_all(bytes: Vec<u8>) -> (usize, Error) {
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        let limits = PayloadLimits { result: 64 << 10, ..PayloadLimits::default() };
        let mut reader: Reader<FromWorker> = Reader::new(std::io::Cursor::new(bytes), Pool::new(64 << 10), limits);
        reader.set_compression(Compression::Lz4);
        let mut messages = 0;
        loop {
            match reader.recv().await {
                Ok((message, payload)) => {
                    messages += 1;
                    let sizes = message.parts().unwrap();
                    assert!(payload.parts().map(|p| p.len() as u64).eq(sizes.iter().copied()));
                    assert!(sizes.iter().sum::<u64>() <= limits.result);
                }
                Err(e) => return (messages, e),
            }
        }
    })
}

#[test]
fn the_undamaged_stream_reads_to_its_end() {
    let (messages, end) = read_all(stream());
    assert_eq!((messages, end.to_string()), (4, Error::Closed.to_string()));
}

#[test]
fn a_stream_cut_anywhere_ends_as_such() {
    let whole = stream();
    for len in (0..whole.len()).filter(|len| len % 37 == 0 || *len < 200) {
        let (_, end) = read_all(whole[..len].to_vec());
        assert!(matches!(end, Error::Truncated | Error::Closed), "{len}: {end}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(
        at in prop::collection::vec((0_usize..40_000, any::<u8>()), 1..8),
        cut in prop::option::of(0_usize..40_000),
        insert in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = stream();
        for (place, value) in at {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            let cut = cut % bytes.len();
            bytes.splice(cut..cut, insert);
        }
        read_all(bytes);
    }

    #[test]
    fn damaged_starts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), keep in 0_usize..HEAD + 12) {
        let mut stream = stream();
        stream.truncate(PREFACE.len() + keep);
        stream.extend(bytes);
        read_all(stream);
    }

    #[test]
    fn noise_is_not_a_greeting(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(judge(&bytes, &secret()).is_err());
    }
}
