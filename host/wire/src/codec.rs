//! Optional compression of payloads: LZ4 over byte planes, block by block.
//!
//! Neighbouring pixels share their high bytes, so a block's first bytes come first, then its second bytes, and so on.
//! `docs/decisions/0005-compression-and-tls.md` has the measurements. A block that does not shrink travels as it is.
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Error;

/// How payloads may be compressed on a connection; the controller decides in its welcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 over byte planes.
    Lz4,
}

impl Compression {
    /// The compression for a peer: none on the same machine, where the wire is faster than the compressor.
    pub fn for_peer(peer: Option<SocketAddr>) -> Self {
        if peer.is_none_or(|peer| peer.ip().is_loopback()) { Self::None } else { Self::Lz4 }
    }
}

/// Pixel bytes in a block: planes and result stay in the processor's cache.
pub(super) const BLOCK: usize = 256 << 10;
/// Payloads below this many bytes are not compressed: it would not pay.
pub(super) const MIN_COMPRESSED: u64 = 4 << 10;

/// The buffers of one direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Codec {
    planes: Vec<u8>,
    packed: Vec<u8>,
}

impl Codec {
    /// `block`, whose elements have `width` bytes, in its stored form; `None` when that would not be shorter.
    pub fn pack(&mut self, block: &[u8], width: u8) -> Option<&[u8]> {
        self.planes.resize(block.len(), 0);
        self.packed.resize(lz4_flex::block::get_maximum_output_size(block.len()), 0);
        split(block, width, &mut self.planes);
        let len = lz4_flex::block::compress_into(&self.planes, &mut self.packed).ok()?;
        if len < block.len() { self.packed.get(..len) } else { None }
    }

    /// Room for a stored block of `len` bytes, to be filled before [`Self::unpack`].
    pub fn stored(&mut self, len: usize) -> &mut [u8] {
        self.packed.resize(len, 0);
        &mut self.packed
    }

    /// The filled [`Self::stored`] back as the pixels it was made from; they must fill `block` exactly.
    pub fn unpack(&mut self, block: &mut [u8], width: u8) -> Result<(), Error> {
        self.planes.resize(block.len(), 0);
        match lz4_flex::block::decompress_into(&self.packed, &mut self.planes) {
            Ok(len) if len == block.len() => {
                join(&self.planes, width, block);
                Ok(())
            }
            _ => Err(Error::Malformed("a compressed block does not give its pixels".into())),
        }
    }
}

/// Whether a frame may name this element size.
pub(super) fn is_width(width: u8) -> bool {
    matches!(width, 1 | 2 | 4 | 8)
}

fn split(from: &[u8], width: u8, to: &mut [u8]) {
    match width {
        2 => split_by::<2>(from, to),
        4 => split_by::<4>(from, to),
        8 => split_by::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

fn join(from: &[u8], width: u8, to: &mut [u8]) {
    match width {
        2 => join_by::<2>(from, to),
        4 => join_by::<4>(from, to),
        8 => join_by::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

fn split_by<const W: usize>(from: &[u8], to: &mut [u8]) {
    let (elements, rest) = from.as_chunks::<W>();
    let (planes, tail) = to.split_at_mut(elements.len() * W);
    tail.copy_from_slice(rest);
    let mut planes = planes.chunks_exact_mut(elements.len().max(1));
    // Two planes at a time: the compiler turns such a loop into vector instructions.
    let mut byte = 0;
    while let (Some(even), Some(odd)) = (planes.next(), planes.next()) {
        for ((even, odd), element) in even.iter_mut().zip(odd).zip(elements) {
            if let Some(&[e, o]) = element.get(byte..byte + 2) {
                (*even, *odd) = (e, o);
            }
        }
        byte += 2;
    }
}

fn join_by<const W: usize>(from: &[u8], to: &mut [u8]) {
    let (elements, tail) = to.as_chunks_mut::<W>();
    let (planes, rest) = from.split_at(elements.len() * W);
    tail.copy_from_slice(rest);
    let mut planes = planes.chunks_exact(elements.len().max(1));
    let mut byte = 0;
    while let (Some(even), Some(odd)) = (planes.next(), planes.next()) {
        for ((even, odd), element) in even.iter().zip(odd).zip(elements.iter_mut()) {
            if let Some([e, o]) = element.get_mut(byte..byte + 2) {
                (*e, *o) = (*even, *odd);
            }
        }
        byte += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from((i / 3) % 256).unwrap()).collect()
    }

    #[test]
    fn planes_are_first_bytes_then_second_bytes_then_the_rest() {
        let mut planes = [0; 7];
        split(&[1, 2, 3, 4, 5, 6, 7], 2, &mut planes);
        assert_eq!(planes, [1, 3, 5, 2, 4, 6, 7]);
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut codec = Codec::default();
        for width in [1, 2, 4, 8] {
            for len in [4097, 65_536, BLOCK] {
                let block = ramp(len);
                let stored = codec.pack(&block, width).unwrap().to_vec();
                assert!(stored.len() < len);
                codec.stored(stored.len()).copy_from_slice(&stored);
                let mut back = vec![0; len];
                codec.unpack(&mut back, width).unwrap();
                assert_eq!(back, block, "width {width}, {len} bytes");
            }
        }
    }

    #[test]
    fn noise_is_not_packed() {
        let mut x = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            x.to_be_bytes()[0]
        })
        .take(BLOCK)
        .collect();
        assert!(Codec::default().pack(&noise, 4).is_none());
    }

    #[test]
    fn a_block_of_another_size_is_refused_both_ways() {
        let mut codec = Codec::default();
        let stored = codec.pack(&[7; 10_000], 1).unwrap().to_vec();
        for wrong in [9_999, 10_001] {
            codec.stored(stored.len()).copy_from_slice(&stored);
            let error = codec.unpack(&mut vec![0; wrong], 1).unwrap_err();
            assert_eq!(error.to_string(), "malformed message: a compressed block does not give its pixels");
        }
    }

    #[test]
    fn the_same_machine_is_not_compressed_for() {
        let peer = |ip: [u8; 4]| Some((ip, 1234).into());
        assert_eq!(Compression::for_peer(None), Compression::None);
        assert_eq!(Compression::for_peer(peer([127, 0, 0, 1])), Compression::None);
        assert_eq!(Compression::for_peer(peer([10, 0, 0, 1])), Compression::Lz4);
    }
}
