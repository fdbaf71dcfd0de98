//! The frame: a fixed head, a message, a payload. Only bytes to values and back; no I/O, no allocation from a length.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | frame format, [`FORMAT`] |
//! | 1 | 0: payload as it is; 1: payload in compressed blocks |
//! | 2 | element size in bytes that the blocks were split by: 1, 2, 4 or 8; else 0 |
//! | 3 | zero |
//! | 4–7 | bytes of the message, u32 |
//! | 8–15 | bytes of the payload before compression, u64 |
use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;
use super::codec::is_width;
use super::limits::MAX_HEADER;

/// The frame format that this program reads and writes.
pub const FORMAT: u8 = 1;
/// What each side sends once, before its first frame: the frame format and the protocol's name.
pub const PREFACE: [u8; 8] = [FORMAT, b't', b'i', b'l', b'e', b'f', b'n', b'\n'];
/// Bytes of a frame's head.
pub const HEAD: usize = 16;

/// How a frame brings its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Plain,
    /// In compressed blocks, split by elements of this size.
    Packed(u8),
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How the payload comes.
    pub coding: Coding,
    /// Bytes of the message.
    pub header: u32,
    /// Bytes of the payload before compression.
    pub payload: u64,
}

impl Head {
    pub fn to_bytes(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        let (flags, lengths) = bytes.split_at_mut(4);
        let (coding, by) = match self.coding {
            Coding::Plain => (0, 0),
            Coding::Packed(width) => (1, width),
        };
        flags.copy_from_slice(&[FORMAT, coding, by, 0]);
        let (header, payload) = lengths.split_at_mut(4);
        header.copy_from_slice(&self.header.to_le_bytes());
        payload.copy_from_slice(&self.payload.to_le_bytes());
        bytes
    }

    /// The head in `bytes`.
    ///
    /// # Errors
    /// Another format, a field that means nothing, or a message over `max_header` bytes.
    pub fn from_bytes(bytes: [u8; HEAD], max_header: u32) -> Result<Self, Error> {
        let [format, coding, by, zero, h0, h1, h2, h3, payload @ ..] = bytes;
        check_format(format)?;
        let coding = match (coding, by) {
            (0, 0) => Coding::Plain,
            (1, width) if is_width(width) => Coding::Packed(width),
            _ => {
                return Err(Error::Malformed(format!("a payload coded {coding} by {by}")));
            }
        };
        if zero != 0 {
            return Err(Error::Malformed("a frame's reserved byte is not zero".into()));
        }
        let header = u32::from_le_bytes([h0, h1, h2, h3]);
        if header > max_header {
            return Err(Error::TooLarge { what: "a message", bytes: header.into(), limit: max_header.into() });
        }
        Ok(Self { coding, header, payload: u64::from_le_bytes(payload) })
    }
}

/// Checks the eight bytes a connection starts with.
///
/// # Errors
/// [`Error::NotTilefn`], or [`Error::FrameFormat`] when only the format differs.
pub fn check_preface(bytes: [u8; 8]) -> Result<(), Error> {
    let [format, name @ ..] = bytes;
    let [_, ours @ ..] = PREFACE;
    if name != ours {
        return Err(Error::NotTilefn);
    }
    check_format(format)
}

fn check_format(theirs: u8) -> Result<(), Error> {
    if theirs == FORMAT { Ok(()) } else { Err(Error::FrameFormat { theirs, ours: FORMAT }) }
}

// The only use of bincode: `docs/decisions/0002-bincode.md` says why it is here and how it would be replaced.
const BINCODE: Configuration<LittleEndian, Varint, Limit<{ MAX_HEADER as usize }>> =
    config::standard().with_limit::<{ MAX_HEADER as usize }>();

/// Appends `value` to `to`.
///
/// # Errors
/// [`Error::TooLarge`] when a header cannot hold it.
pub fn encode<T: Serialize>(value: &T, to: &mut Vec<u8>) -> Result<(), Error> {
    let start = to.len();
    bincode::serde::encode_into_std_write(value, to, BINCODE).map_err(|e| Error::Malformed(e.to_string()))?;
    let bytes = (to.len() - start) as u64;
    let limit = u64::from(MAX_HEADER);
    if bytes <= limit { Ok(()) } else { Err(Error::TooLarge { what: "a message", bytes, limit }) }
}

/// The value that all of `bytes` stand for.
///
/// # Errors
/// [`Error::Malformed`], also for bytes left over.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (value, used) = decode_prefix(bytes)?;
    match bytes.len() - used {
        0 => Ok(value),
        rest => Err(Error::Malformed(format!("{rest} bytes left over"))),
    }
}

/// The value that `bytes` start with, and how many bytes it took.
///
/// # Errors
/// [`Error::Malformed`].
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), Error> {
    bincode::serde::decode_from_slice(bytes, BINCODE).map_err(|e| Error::Malformed(e.to_string()))
}
