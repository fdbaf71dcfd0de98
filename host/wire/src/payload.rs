//! Payload buffers: where the parts of a payload lie, and a pool that bounds the memory of all of them together.
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use super::limits::ALIGN;

/// Where each part of a payload lies: every part that is not empty starts at a multiple of [`ALIGN`],
/// zeros between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    parts: Vec<Range<u64>>,
}

impl Layout {
    /// The layout of parts of these sizes in bytes.
    pub fn of(sizes: &[u64]) -> Result<Self, Error> {
        let mut end = 0_u64;
        let parts = sizes
            .iter()
            .map(|size| {
                let start = if *size == 0 { end } else { end.checked_next_multiple_of(ALIGN)? };
                end = start.checked_add(*size)?;
                Some(start..end)
            })
            .collect::<Option<_>>()
            .ok_or_else(|| Error::Malformed("a payload's size overflows".into()))?;
        Ok(Self { parts })
    }

    /// Bytes of the whole payload.
    pub fn total(&self) -> u64 {
        self.parts.last().map_or(0, |p| p.end)
    }

    /// The parts' places.
    pub fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }
}

/// A payload's length and the places of its parts, as indices.
pub(super) fn places(layout: &Layout) -> Result<(usize, Vec<Range<usize>>), Error> {
    let index = |place: u64| {
        let limit = usize::MAX as u64;
        usize::try_from(place).map_err(|_| Error::TooLarge { what: "a payload", bytes: layout.total(), limit })
    };
    let parts = layout.parts().iter().map(|p| Ok(index(p.start)?..index(p.end)?)).collect::<Result<_, Error>>()?;
    Ok((index(layout.total())?, parts))
}

/// Hands out payload buffers, all together at most `budget` bytes, and keeps a few for reuse.
///
/// One pool serves all connections of a process: when the budget is used up, readers wait until a payload is dropped,
/// TCP pushes back, and the peers wait. A payload larger than the whole budget has it to itself.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    budget: Arc<Semaphore>,
    units: u32,
    kept: Mutex<Vec<Vec<u128>>>,
}

/// Budget is counted in units of this many bytes.
const UNIT: u64 = 4 << 10;
/// Buffers kept for reuse: enough for the tiles in flight between two threads, little beside the budget.
const KEPT: usize = 4;

impl Pool {
    /// A pool for `budget` bytes of payloads (16 TiB at most).
    pub fn new(budget: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = u32::try_from(budget / UNIT).unwrap_or(u32::MAX).clamp(1, most);
        Self(Arc::new(Shared {
            budget: Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX))),
            units,
            kept: Mutex::new(Vec::new()),
        }))
    }

    /// A buffer for `layout`, as soon as the budget has room. Dropping the future gives up the place in the queue.
    pub(super) async fn take(&self, layout: &Layout) -> Result<Payload, Error> {
        let total = layout.total();
        if total == 0 {
            let parts = vec![0..0; layout.parts().len()];
            return Ok(Payload { buffer: Vec::new(), len: 0, parts, home: None });
        }
        let (len, parts) = places(layout)?;
        let units = u32::try_from(total.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.0.units);
        let permit = Arc::clone(&self.0.budget).acquire_many_owned(units).await.map_err(|_| Error::Closed)?;
        let home = Some((self.clone(), permit));
        let words = len.div_ceil(size_of::<u128>());
        let mut words_kept = self.kept(words);
        // The system zeroes a new buffer's pages as they are first touched.
        let buffer = if words_kept.capacity() == 0 {
            vec![0; words]
        } else {
            words_kept.resize(words, 0);
            words_kept
        };
        Ok(Payload { buffer, len, parts, home })
    }

    /// A kept buffer that fits without wasting as much again; else an empty one.
    fn kept(&self, words: usize) -> Vec<u128> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |b: &Vec<u128>| b.capacity() >= words && b.capacity() / 2 <= words;
        kept.iter().position(fits).map(|i| kept.swap_remove(i)).unwrap_or_default()
    }

    fn keep(&self, buffer: Vec<u128>) {
        if buffer.capacity() > 0 {
            let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT {
                kept.remove(0);
            }
            kept.push(buffer);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = u64::try_from(self.0.budget.available_permits()).unwrap_or(u64::MAX).saturating_mul(UNIT);
        f.debug_struct("Pool").field("free_bytes", &free).finish_non_exhaustive()
    }
}

/// A received payload; its memory goes back to the pool when it is dropped.
pub struct Payload {
    buffer: Vec<u128>,
    len: usize,
    parts: Vec<Range<usize>>,
    home: Option<(Pool, OwnedSemaphorePermit)>,
}

impl Payload {
    /// Number of parts: what the message's documentation lists.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is no part.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Part `index`, its first byte aligned to 16.
    pub fn part(&self, index: usize) -> Option<&[u8]> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.buffer);
        bytes.get(self.parts.get(index)?.clone())
    }

    /// All parts in order.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.parts.len()).filter_map(|i| self.part(i))
    }

    /// All bytes, which the reader fills.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.buffer).get_mut(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} parts, {} bytes)", self.parts.len(), self.len)
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some((pool, _permit)) = self.home.take() {
            pool.keep(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_start_at_multiples_of_16_with_nothing_after_the_last() {
        let layout = Layout::of(&[3, 16, 1, 0]).unwrap();
        assert_eq!(layout.parts(), [0..3, 16..32, 32..33, 33..33]);
        assert_eq!(layout.total(), 33);
        let payload = Pool::new(1 << 20).take(&layout).await.unwrap();
        for (part, len) in payload.parts().zip([3, 16, 1, 0]) {
            assert_eq!(part.len(), len);
            assert!(len == 0 || part.as_ptr().align_offset(16) == 0);
        }
        assert_eq!(payload.part(4), None);
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        assert!(Layout::of(&[u64::MAX, 1]).is_err());
        assert!(Layout::of(&[u64::MAX - 3, 4]).is_err());
    }

    #[tokio::test]
    async fn a_reader_waits_while_the_budget_is_used_up() {
        let pool = Pool::new(64 << 10);
        let half = Layout::of(&[32 << 10]).unwrap();
        let first = pool.take(&half).await.unwrap();
        let _second = pool.take(&half).await.unwrap();
        let mut third = Box::pin(pool.take(&half));
        assert!(futures_poll(third.as_mut()).is_none());
        drop(first);
        assert!(futures_poll(third.as_mut()).is_some());
    }

    #[tokio::test]
    async fn a_payload_over_the_whole_budget_comes_alone() {
        let pool = Pool::new(64 << 10);
        let large = Layout::of(&[1 << 20]).unwrap();
        let first = pool.take(&large).await.unwrap();
        assert_eq!(first.part(0).unwrap().len(), 1 << 20);
        assert!(futures_poll(Box::pin(pool.take(&Layout::of(&[1]).unwrap())).as_mut()).is_none());
    }

    #[tokio::test]
    async fn buffers_are_reused_and_cut_to_size() {
        let pool = Pool::new(1 << 20);
        let mut first = pool.take(&Layout::of(&[10_000]).unwrap()).await.unwrap();
        first.bytes_mut().fill(9);
        let place = first.part(0).unwrap().as_ptr();
        drop(first);
        let second = pool.take(&Layout::of(&[9_000]).unwrap()).await.unwrap();
        assert_eq!(second.part(0).unwrap().as_ptr(), place);
        assert_eq!(second.part(0).unwrap().len(), 9_000);
    }

    fn futures_poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(x) => Some(x),
            std::task::Poll::Pending => None,
        }
    }
}
