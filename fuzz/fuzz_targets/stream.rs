//! Any bytes as a stream of frames, in either direction: messages or an error, never a panic, never more memory than
//! the limits allow.
#![no_main]
use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use wire::{Compression, FromController, FromWorker, Message, PayloadLimits, Pool, Reader};

const LIMIT: u64 = 64 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((direction, frames)) = input.split_first() else { return };
    // The preface is checked by a test; finding it by chance would only cost time.
    let stream = [b"\x01tilefn\n", frames].concat();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if direction % 2 == 0 {
        runtime.block_on(read::<FromWorker>(stream));
    } else {
        runtime.block_on(read::<FromController>(stream));
    }
});

async fn read<M: Message>(stream: Vec<u8>) {
    let limits = PayloadLimits { task: LIMIT, module: LIMIT, tile: LIMIT, result: LIMIT, rasters: 1 << 10 };
    let mut reader: Reader<M> = Reader::new(Cursor::new(stream), Pool::new(LIMIT), limits);
    reader.set_compression(Compression::Lz4);
    while let Ok((message, payload)) = reader.recv().await {
        let sizes = message.parts().unwrap();
        assert!(payload.parts().map(|p| p.len() as u64).eq(sizes.iter().copied()));
        assert!(sizes.iter().sum::<u64>() <= LIMIT);
    }
}
