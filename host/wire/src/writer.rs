//! The sending half of a connection: messages and payload slices to bytes, without copying pixels.
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Error;
use super::check::Message;
use super::codec::{BLOCK, Codec, Compression, MIN_COMPRESSED};
use super::frame::{Coding, HEAD, Head, PREFACE, encode};
use super::payload::Layout;

/// Sends messages of type `M`.
pub struct Writer<M> {
    io: Box<dyn AsyncWrite + Send + Unpin>,
    compression: Compression,
    patience: Option<Duration>,
    /// Preface (once), head and message, to go out in one write with the payload's first bytes.
    start: Vec<u8>,
    preface_sent: bool,
    half_sent: bool,
    codec: Codec,
    block: Vec<u8>,
    sends: PhantomData<fn(M)>,
}

impl<M: Message> Writer<M> {
    /// A writer to `io`; nothing has been written to `io` yet.
    pub fn new(io: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            io: Box::new(io),
            compression: Compression::None,
            patience: None,
            start: Vec::new(),
            preface_sent: false,
            half_sent: false,
            codec: Codec::default(),
            block: Vec::new(),
            sends: PhantomData,
        }
    }

    /// Sets how payloads are compressed from the next message on.
    pub fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Sets for how long the peer may take nothing before sending fails with [`Error::Stalled`].
    pub fn set_patience(&mut self, limit: Duration) {
        self.patience = Some(limit);
    }

    /// Sends a message and the parts of its payload: one slice for each part that the message announces, in order.
    ///
    /// Dropping the future half-way puts the stream out of step, and every later call fails: let one task own the
    /// writer, and abort the task only together with the connection.
    ///
    /// # Errors
    /// A message over its bounds or parts of other sizes than announced (nothing is sent then); the connection's errors.
    pub async fn send(&mut self, message: &M, parts: &[&[u8]]) -> Result<(), Error> {
        let layout = self.layout(message)?;
        let sizes = layout.parts().iter().map(|part| part.end - part.start);
        if !sizes.eq(parts.iter().map(|p| p.len() as u64)) {
            return Err(Error::Malformed(format!("the parts given to {} are not those announced", message.name())));
        }
        let packed_by = match self.compression {
            Compression::Lz4 if layout.total() >= MIN_COMPRESSED => Some(element_size(message)),
            _ => None,
        };
        self.begin(message, packed_by.map_or(Coding::Plain, Coding::Packed), layout.total())?;
        let mut pieces = pieces(parts, &layout);
        self.half_sent = true;
        match packed_by {
            None => {
                pieces.insert(0, &self.start);
                write_all(&mut self.io, &pieces, self.patience).await?;
            }
            Some(width) => {
                write_all(&mut self.io, &[&self.start], self.patience).await?;
                self.write_packed(pieces, width).await?;
            }
        }
        self.end().await
    }

    /// Checks a message that is to be sent. Returns how its payload must look.
    fn layout(&self, message: &M) -> Result<Layout, Error> {
        if self.half_sent {
            return Err(Error::HalfSent);
        }
        message.check()?;
        Layout::of(&message.parts()?)
    }

    /// Makes the beginning of a frame in `start`.
    fn begin(&mut self, message: &M, coding: Coding, payload: u64) -> Result<(), Error> {
        self.start.clear();
        if !self.preface_sent {
            self.start.extend(PREFACE);
        }
        let head_at = self.start.len();
        self.start.extend([0; HEAD]);
        encode(message, &mut self.start)?;
        let header = u32::try_from(self.start.len() - head_at - HEAD).unwrap_or(u32::MAX);
        let head = Head { coding, header, payload };
        if let Some(place) = self.start.get_mut(head_at..head_at + HEAD) {
            place.copy_from_slice(&head.to_bytes());
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), Error> {
        patient(self.patience, self.io.flush()).await?;
        self.preface_sent = true;
        self.half_sent = false;
        Ok(())
    }

    /// Says goodbye on the transport (TLS's closing alert, TCP's end of stream); the other half may still receive.
    ///
    /// # Errors
    /// The connection's errors.
    pub async fn close(mut self) -> Result<(), Error> {
        Ok(self.io.shutdown().await?)
    }

    async fn write_packed(&mut self, pieces: Vec<&[u8]>, width: u8) -> Result<(), Error> {
        let mut pieces = pieces.into_iter().peekable();
        let mut rest: &[u8] = &[];
        loop {
            self.block.clear();
            while self.block.len() < BLOCK && (!rest.is_empty() || pieces.peek().is_some()) {
                if rest.is_empty() {
                    rest = pieces.next().unwrap_or_default();
                }
                let (now, later) = rest.split_at(rest.len().min(BLOCK - self.block.len()));
                self.block.extend_from_slice(now);
                rest = later;
            }
            if self.block.is_empty() {
                return Ok(());
            }
            let stored = self.codec.pack(&self.block, width).unwrap_or(&self.block);
            let len = u32::try_from(stored.len()).unwrap_or(u32::MAX).to_le_bytes();
            write_all(&mut self.io, &[&len, stored], self.patience).await?;
        }
    }
}

/// The payload as it goes out: the parts, with the zeros (fewer than `ALIGN`) between them.
fn pieces<'a>(parts: &[&'a [u8]], layout: &Layout) -> Vec<&'a [u8]> {
    const ZEROS: &[u8] = &[0; 16];
    let mut pieces = Vec::with_capacity(parts.len().saturating_mul(2).saturating_add(1));
    let mut end = 0;
    for (part, place) in parts.iter().zip(layout.parts()) {
        let gap = usize::try_from(place.start.saturating_sub(end)).unwrap_or_default();
        pieces.push(ZEROS.get(..gap).unwrap_or_default());
        pieces.push(*part);
        end = place.end;
    }
    pieces.retain(|p| !p.is_empty());
    pieces
}

/// The width to split by: the first raster's element; bytes for anything else.
fn element_size<M: Message>(message: &M) -> u8 {
    let first = message.rasters().iter().flatten().next();
    first.and_then(|r| u8::try_from(r.dtype.size()).ok()).unwrap_or(1)
}

/// Runs `step`, with a time limit.
async fn patient<T>(limit: Option<Duration>, step: impl Future<Output = io::Result<T>>) -> Result<T, Error> {
    match limit {
        Some(limit) => Ok(timeout(limit, step).await.map_err(|_| Error::Stalled(limit))??),
        None => Ok(step.await?),
    }
}

async fn write_all(
    io: &mut (dyn AsyncWrite + Send + Unpin),
    pieces: &[&[u8]],
    patience: Option<Duration>,
) -> Result<(), Error> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|p| IoSlice::new(p)).collect();
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        match patient(patience, io.write_vectored(slices)).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            n => IoSlice::advance_slices(&mut slices, n),
        }
    }
    Ok(())
}
