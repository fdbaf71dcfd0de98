//! Waiting: how long before the next try, chance for it, and what the user is told meanwhile.

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// The wait after `failures` in a row: doubles from `first` up to `most`, then between half and all of it by `chance`,
/// so that many controllers don't come back together.
pub(super) fn delay(failures: u32, first: Duration, most: Duration, chance: u64) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1).min(31)).unwrap_or(u32::MAX));
    let half = doubled.min(most) / 2;
    let thousandths = u32::try_from(chance % 1_001).unwrap_or(0);
    half + half * thousandths / 1_000
}

/// A number by chance; not for secrets.
pub(super) fn chance() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// A step that the user waits for.
pub(super) struct Step(Instant);

impl Step {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Says that it is done, and how long it took.
    pub fn done(self, what: impl std::fmt::Display) {
        tracing::info!("{what} ({:.1} s)", self.0.elapsed().as_secs_f64());
    }
}

/// Pauses between looks at something that should happen soon: short at first, then as long as `most`.
pub(super) struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    pub fn up_to(most: Duration) -> Self {
        Self { next: most / 16, most }
    }

    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit_with_jitter_below() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, lowest, highest) in
            [(1, 0.5, 1.0), (2, 1.0, 2.0), (4, 4.0, 8.0), (7, 30.0, 60.0), (u32::MAX, 30.0, 60.0)]
        {
            assert_eq!(delay(failures, first, most, 0).as_secs_f64(), lowest);
            assert_eq!(delay(failures, first, most, 1_000).as_secs_f64(), highest);
        }
    }
}
