//! The receiving half of a connection: bytes to checked messages and pooled payloads.
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::Error;
use super::check::Message;
use super::codec::{BLOCK, Codec, Compression};
use super::frame::{Coding, Head, PREFACE, check_preface, decode};
use super::limits::PayloadLimits;
use super::payload::{Layout, Payload, Pool};

/// Receives messages of type `M`.
pub struct Reader<M> {
    source: Source,
    pool: Pool,
    limits: PayloadLimits,
    max_header: u32,
    compression: Compression,
    stage: Stage,
    /// Preface, head, message or block length, as far as it has come.
    small: Vec<u8>,
    /// Bytes that have come of what the stage waits for.
    filled: usize,
    body: Option<Body<M>>,
    codec: Codec,
}

#[derive(Clone, Copy)]
enum Stage {
    Preface,
    Head,
    Header(Head),
    Body,
    Broken,
}

/// The source of the bytes, and when the last one came.
struct Source {
    io: Box<dyn AsyncRead + Send + Unpin>,
    silence: Option<Duration>,
    heard: Instant,
}

impl Source {
    /// Fills the rest of `target`; `filled` keeps count, so that a dropped future loses nothing. Where a message may
    /// begin (`between`), the end of the stream is an orderly one.
    async fn fill(&mut self, target: &mut [u8], filled: &mut usize, between: bool) -> Result<(), Error> {
        while let Some(rest) = target.get_mut(*filled..).filter(|r| !r.is_empty()) {
            let read = self.io.read(rest);
            let result = match self.silence {
                // The stream is polled before the clock: bytes that have arrived count, however late they are read.
                Some(limit) => timeout_at(self.heard + limit, read).await.map_err(|_| Error::Silent(limit))?,
                None => read.await,
            };
            match result {
                Ok(n) if n > 0 => *filled += n,
                // TLS reports a peer that died without its closing alert as an error.
                Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(Error::Io(e)),
                _ if between && *filled == 0 => return Err(Error::Closed),
                _ => return Err(Error::Truncated),
            }
            self.heard = Instant::now();
        }
        Ok(())
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Truncated)
}

/// A decoded message whose payload is on its way.
struct Body<M> {
    message: M,
    head: Head,
    layout: Layout,
    payload: Option<Payload>,
    /// Payload bytes unpacked so far, and the stored length of the block on its way.
    unpacked: usize,
    stored: Option<usize>,
}

impl<M: Message> Reader<M> {
    /// A reader of `io` that takes payloads up to `limits` into buffers of `pool`; nothing has been read from `io` yet.
    pub fn new(io: impl AsyncRead + Send + Unpin + 'static, pool: Pool, limits: PayloadLimits) -> Self {
        Self {
            source: Source { io: Box::new(io), silence: None, heard: Instant::now() },
            pool,
            limits,
            max_header: limits.header(),
            compression: Compression::None,
            stage: Stage::Preface,
            small: Vec::new(),
            filled: 0,
            body: None,
            codec: Codec::default(),
        }
    }

    /// Sets how the peer may compress; it is refused otherwise.
    pub fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Sets after how long without a byte [`Self::recv`] fails with [`Error::Silent`]. The time in which this side
    /// waits for memory does not count.
    pub fn set_silence(&mut self, limit: Duration) {
        self.source.silence = Some(limit);
        self.source.heard = Instant::now();
    }

    pub(super) fn set_limits(&mut self, limits: PayloadLimits) {
        self.limits = limits;
        self.max_header = limits.header();
    }

    pub(super) fn set_max_header(&mut self, bytes: u32) {
        self.max_header = bytes;
    }

    /// The next message and its payload.
    ///
    /// Dropping the future loses nothing: the next call goes on where it was, so it may stand in a `select!`.
    ///
    /// # Errors
    /// [`Error::Closed`] when the peer closed between messages; any other is the connection's or the peer's fault.
    /// After an error every further call fails.
    pub async fn recv(&mut self) -> Result<(M, Payload), Error> {
        let result = self.step().await;
        if result.is_err() {
            self.stage = Stage::Broken;
        }
        result
    }

    async fn step(&mut self) -> Result<(M, Payload), Error> {
        if !matches!(self.stage, Stage::Body) {
            let head = self.next_header().await?;
            let message: M = decode(&self.small)?;
            self.take_header(message, head)?;
        }
        self.payload().await
    }

    /// Reads up to the end of the next message's header and leaves it in [`Self::header`].
    pub(super) async fn next_header(&mut self) -> Result<Head, Error> {
        loop {
            match self.stage {
                Stage::Preface => {
                    let preface: [u8; PREFACE.len()] = self.exactly().await?;
                    check_preface(preface)?;
                    self.next(Stage::Head);
                }
                Stage::Head => {
                    let head = Head::from_bytes(self.exactly().await?, self.max_header)?;
                    self.next(Stage::Header(head));
                }
                Stage::Header(head) => {
                    let len = usize::try_from(head.header).unwrap_or(usize::MAX);
                    self.small.resize(len, 0);
                    self.source.fill(&mut self.small, &mut self.filled, false).await?;
                    return Ok(head);
                }
                Stage::Body | Stage::Broken => return Err(Error::Closed),
            }
        }
    }

    /// The bytes of the message that [`Self::next_header`] has read.
    pub(super) fn header(&self) -> &[u8] {
        &self.small
    }

    /// Checks the message decoded from the header and goes on to its payload.
    pub(super) fn take_header(&mut self, message: M, head: Head) -> Result<(), Error> {
        message.check()?;
        let layout = Layout::of(&message.parts()?)?;
        if layout.total() != head.payload {
            return Err(Error::Malformed(format!(
                "{} comes with {} bytes of payload, its parts have {}",
                message.name(),
                head.payload,
                layout.total()
            )));
        }
        let limit = message.payload_limit(&self.limits);
        if head.payload > limit {
            return Err(Error::TooLarge { what: message.name(), bytes: head.payload, limit });
        }
        if matches!(head.coding, Coding::Packed(_)) && self.compression == Compression::None {
            return Err(Error::Malformed("a compressed payload, though no compression was agreed".into()));
        }
        self.body = Some(Body { message, head, layout, payload: None, unpacked: 0, stored: None });
        self.next(Stage::Body);
        Ok(())
    }

    /// Reads the payload that is due.
    pub(super) async fn payload(&mut self) -> Result<(M, Payload), Error> {
        let Some(body) = &mut self.body else {
            return Err(Error::Closed);
        };
        let payload = match &mut body.payload {
            Some(payload) => payload,
            none => {
                let payload = self.pool.take(&body.layout).await?;
                self.source.heard = Instant::now();
                none.insert(payload)
            }
        };
        let bytes = payload.bytes_mut();
        let source = &mut self.source;
        if let Coding::Packed(width) = body.head.coding {
            while let Some(rest) = bytes.get_mut(body.unpacked..).filter(|r| !r.is_empty()) {
                let len = rest.len().min(BLOCK);
                let block = rest.get_mut(..len).unwrap_or_default();
                let stored = match body.stored {
                    Some(stored) => stored,
                    None => {
                        self.small.resize(4, 0);
                        source.fill(&mut self.small, &mut self.filled, false).await?;
                        let stored = u32::from_le_bytes(array(&self.small)?);
                        let stored = usize::try_from(stored).unwrap_or(usize::MAX);
                        if stored > len {
                            return Err(Error::Malformed("a compressed block is longer than its pixels".into()));
                        }
                        self.filled = 0;
                        *body.stored.insert(stored)
                    }
                };
                if stored == len {
                    source.fill(block, &mut self.filled, false).await?;
                } else {
                    source.fill(self.codec.stored(stored), &mut self.filled, false).await?;
                    self.codec.unpack(block, width)?;
                }
                self.filled = 0;
                body.stored = None;
                body.unpacked += len;
            }
        } else {
            source.fill(bytes, &mut self.filled, false).await?;
        }
        self.next(Stage::Head);
        match self.body.take() {
            Some(Body { message, payload: Some(payload), .. }) => Ok((message, payload)),
            _ => Err(Error::Closed),
        }
    }

    async fn exactly<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.small.resize(N, 0);
        self.source.fill(&mut self.small, &mut self.filled, true).await?;
        array(&self.small)
    }

    fn next(&mut self, stage: Stage) {
        self.stage = stage;
        self.filled = 0;
    }
}
