//! Any bytes as a stream of frames, in either direction: messages or an error, never a panic, never more memory than
//! the limits allow.
#![no_main]
use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tilefn_fuzz::wire::{
    Compression, Draft, FromController, FromWorker, Message, PayloadLimits, Pool, Reader, Shared, Writer,
};

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
    let (ours, theirs) = Shared::pair(2).unwrap();
    reader.set_slots(ours.receives);
    // The first slot is filled; what names it there is thrown away.
    let draft = Draft::new(&[8192], &theirs.sends).unwrap().unwrap();
    Writer::new(tokio::io::sink()).send_draft(&FromController::Module { len: 8192 }, draft).await.unwrap();
    while let Ok((message, payload)) = reader.recv().await {
        let sizes = message.parts().unwrap();
        assert!(payload.parts().map(|p| p.len() as u64).eq(sizes.iter().copied()));
        assert!(sizes.iter().sum::<u64>() <= LIMIT);
    }
}
