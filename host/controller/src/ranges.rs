//! A set of tile numbers kept as runs: small as long as work is done roughly in order, whatever the number of tiles.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A set of `u64`, as disjoint, non-adjacent half-open runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Ranges {
    /// Start of each run → its end (exclusive).
    runs: BTreeMap<u64, u64>,
    len: u64,
}

/// A set as it is in a journal, which anybody may have written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    runs: BTreeMap<u64, u64>,
    len: u64,
}

impl TryFrom<Written> for Ranges {
    type Error = &'static str;

    fn try_from(Written { runs, len }: Written) -> Result<Self, Self::Error> {
        let (mut before, mut found) = (None, 0_u64);
        for (start, end) in &runs {
            if end <= start || before.is_some_and(|before| *start <= before) {
                return Err("runs of tiles that overlap or are empty");
            }
            // The runs are disjoint, so the sum fits.
            found += end - start;
            before = Some(*end);
        }
        if found == len { Ok(Self { runs, len }) } else { Err("a number of tiles that isn't that of the runs") }
    }
}

impl Ranges {
    /// Adds `n`; false if it was there.
    pub(crate) fn insert(&mut self, n: u64) -> bool {
        let before = self.runs.range(..=n).next_back().map(|(s, e)| (*s, *e));
        if before.is_some_and(|(_, end)| n < end) {
            return false;
        }
        let start = match before {
            Some((start, end)) if end == n => start,
            _ => n,
        };
        let end = self.runs.remove(&(n + 1)).unwrap_or(n + 1);
        self.runs.insert(start, end);
        self.len += 1;
        true
    }

    /// The smallest number from `n` on that is not in the set.
    pub(crate) fn next_missing(&self, n: u64) -> u64 {
        self.runs.range(..=n).next_back().map_or(n, |(_, end)| n.max(*end))
    }

    /// The number after the largest in the set.
    pub(crate) fn end(&self) -> u64 {
        self.runs.values().next_back().copied().unwrap_or(0)
    }

    /// All numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|(start, end)| *start..*end)
    }

    /// How many numbers are in the set.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Number of separate runs: what the set costs in memory.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set_in_any_order() {
        // A permutation of 0..257: 3 generates it, since 257 is prime.
        let mut n = 1_u64;
        let mut ranges = Ranges::default();
        let mut plain = BTreeSet::new();
        for _ in 0..200 {
            n = n * 3 % 257;
            assert_eq!(ranges.insert(n), plain.insert(n));
            assert!(!ranges.insert(n));
            assert_eq!(ranges.len(), plain.len() as u64);
            for m in 0..258 {
                assert_eq!(ranges.next_missing(m) != m, plain.contains(&m));
                assert_eq!(ranges.next_missing(m), (m..).find(|x| !plain.contains(x)).unwrap());
            }
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let read = serde_json::from_str::<Ranges>;
        let set = read(r#"{"runs": {"0": 3, "7": 8}, "len": 4}"#).unwrap();
        assert_eq!((set.iter().collect::<Vec<_>>(), set.end()), (vec![0, 1, 2, 7], 8));
        for nonsense in [
            r#"{"runs": {"0": 3, "7": 8}, "len": 5}"#,
            r#"{"runs": {"0": 3, "2": 8}, "len": 9}"#,
            r#"{"runs": {"0": 3, "3": 8}, "len": 8}"#,
            r#"{"runs": {"3": 3}, "len": 0}"#,
            r#"{"runs": {"3": 1}, "len": 18446744073709551614}"#,
        ] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn in_order_it_is_one_run() {
        let mut ranges = Ranges::default();
        for n in 0..100_000 {
            ranges.insert(n);
        }
        assert_eq!(ranges.runs(), 1);
    }
}
