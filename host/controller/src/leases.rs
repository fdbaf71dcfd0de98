//! The tiles that one remote worker holds, and the messages about tiles that it doesn't hold.

use std::collections::HashMap;
use types::tally::Tally;
use wire::Lease;

/// The session ends at this many results and failures of tiles that the worker doesn't hold. They are ignored, but each takes time
/// and a line of the log.
const MAX_STRAYS: u32 = 16;

/// The tiles that a worker holds.
#[derive(Default)]
pub struct Leases {
    held: HashMap<u64, Held>,
    /// Tiles sent so far.
    sent: u64,
    /// Results and failures of tiles that the worker didn't hold.
    strays: u32,
}

struct Held {
    lease: u64,
    /// How many tiles were sent to the worker before this one; `None` while this one isn't sent. Workers run tiles in this order.
    sent: Option<u64>,
    /// Pixels that were changed when the tile was read here.
    tally: Tally,
}

impl Leases {
    /// How many tiles the worker holds.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Grants the worker a tile, which is yet to be sent.
    pub fn grant(&mut self, lease: Lease) {
        self.held.insert(lease.tile, Held { lease: lease.lease, sent: None, tally: Tally::default() });
    }

    /// Notes that the tile is on its way. `tally` counts pixels that were changed when it was read here.
    pub fn sent(&mut self, tile: u64, tally: Tally) {
        if let Some(held) = self.held.get_mut(&tile) {
            held.tally = tally;
            held.sent = Some(self.sent);
            self.sent += 1;
        }
    }

    /// Whether the worker holds the tile under this very lease.
    pub fn holds(&self, lease: Lease) -> bool {
        self.held.get(&lease.tile).is_some_and(|held| held.lease == lease.lease)
    }

    /// Ends a lease. Returns the tally of the tile's reading; none if the worker doesn't hold the tile under this lease.
    pub fn end(&mut self, lease: Lease) -> Option<Tally> {
        if self.holds(lease) { self.held.remove(&lease.tile).map(|held| held.tally) } else { None }
    }

    /// Ends the lease of a tile that isn't sent after all.
    pub fn withdraw(&mut self, tile: u64) {
        self.held.remove(&tile);
    }

    /// Ends all leases; returns the tiles.
    pub fn end_all(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.held).into_keys().collect()
    }

    /// Ends all leases; returns the tiles that a worker with so many threads can't have begun.
    pub fn end_all_unbegun(&mut self, threads: usize) -> Vec<u64> {
        let mut held: Vec<_> = self.held.drain().map(|(tile, held)| (held.sent.unwrap_or(u64::MAX), tile)).collect();
        held.sort_unstable();
        let unbegun = |(n, (sent, tile)): (usize, (u64, u64))| (n >= threads || sent == u64::MAX).then_some(tile);
        held.into_iter().enumerate().filter_map(unbegun).collect()
    }

    /// Counts a message about a tile that the worker doesn't hold.
    ///
    /// # Errors
    /// When there were too many.
    pub fn stray(&mut self) -> Result<(), wire::Error> {
        self.strays += 1;
        if self.strays < MAX_STRAYS {
            Ok(())
        } else {
            Err(wire::Error::Malformed("too many about tiles that it doesn't hold".into()))
        }
    }
}
