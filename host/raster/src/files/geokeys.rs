//! The tags of a GeoTIFF that tell its CRS, as they are in the file: where they are the same, so is the CRS.
//!
//! To make a CRS of them takes GDAL half a millisecond, for each file of a list though all are alike.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// `GeoKeyDirectoryTag`, `GeoDoubleParamsTag` and `GeoAsciiParamsTag`.
const TAGS: std::ops::RangeInclusive<u16> = 34735..=34737;
/// Most tags of an image, and most bytes of one tag. What has more can be left to GDAL.
const MAX_TAGS: u64 = 4096;
const MAX_BYTES: u64 = 64 << 10;

/// The tags' bytes, with all that they depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GeoKeys(Vec<(u16, u16, Vec<u8>)>, Order);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Order {
    Little,
    Big,
}

impl GeoKeys {
    /// Those of the first image of a TIFF file; `None` if it is none, is damaged or has no such tags.
    pub fn read(path: &str) -> Option<Self> {
        Self::of(&File::open(path).ok()?).ok().filter(|keys| !keys.0.is_empty())
    }

    fn of(file: &File) -> io::Result<Self> {
        let head: [u8; 16] = array(file, 0)?;
        let order = match head {
            [b'I', b'I', ..] => Order::Little,
            [b'M', b'M', ..] => Order::Big,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let part = |start: usize, len: usize| head.get(start..start + len).map(|bytes| order.number(bytes));
        let (start, big) = match (part(2, 2), part(4, 4), part(8, 8)) {
            (Some(42), Some(start), _) => (start, false),
            // The size of offsets, 8, and a zero; the first offset.
            (Some(43), _, Some(start)) => (start, true),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let (count, entries) = if big {
            (order.number(&array::<8>(file, start)?), after(start, 8)?)
        } else {
            (order.number(&array::<2>(file, start)?), after(start, 2)?)
        };
        if count > MAX_TAGS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let size: usize = if big { 20 } else { 12 };
        let directory = bytes(file, entries, count * size as u64)?;
        let mut keys = Vec::new();
        for entry in directory.chunks_exact(size) {
            let (tag, rest) = entry.split_at(2);
            let (kind, rest) = rest.split_at(2);
            let (items, value) = rest.split_at(rest.len() / 2);
            let (tag, kind, items) = (order.number(tag), order.number(kind), order.number(items));
            let (Ok(tag), Ok(kind)) = (u16::try_from(tag), u16::try_from(kind)) else { continue };
            if !TAGS.contains(&tag) {
                continue;
            }
            // ASCII, SHORT and DOUBLE: what the three are.
            let item = match kind {
                2 => 1,
                3 => 2,
                12 => 8,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            let len = items.checked_mul(item).filter(|len| *len <= MAX_BYTES).ok_or(io::ErrorKind::InvalidData)?;
            // What fits into the entry isn't elsewhere.
            let inside = usize::try_from(len).ok().and_then(|len| value.get(..len));
            let content = match inside {
                Some(content) => content.to_vec(),
                None => bytes(file, order.number(value), len)?,
            };
            keys.push((tag, kind, content));
        }
        Ok(Self(keys, order))
    }
}

impl Order {
    /// The number that up to eight bytes are.
    fn number(self, bytes: &[u8]) -> u64 {
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, join),
            Self::Big => bytes.iter().fold(0, join),
        }
    }
}

fn after(offset: u64, len: u64) -> io::Result<u64> {
    offset.checked_add(len).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn array<const N: usize>(file: &File, offset: u64) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    file.read_exact_at(&mut array, offset)?;
    Ok(array)
}

/// `len` bytes, of which there are never many.
fn bytes(file: &File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
