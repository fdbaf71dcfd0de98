//! Pixels that were changed or lost on their way to the function or to a file, counted for the report.

use serde::{Deserialize, Serialize};

/// What happened to pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum What {
    /// An input's numbers beyond the range of the function's type: clamped.
    Clamped,
    /// An input's numbers that the function's type had to round.
    Rounded,
    /// An input's numbers that became the one beside, since theirs marks invalid pixels.
    Moved,
    /// An output's valid pixels with the value that is nodata in the file.
    Nodata,
    /// An output's pixels beyond what the file's bits hold.
    Bits,
}

impl What {
    /// Whether this change happens to inputs, not outputs.
    pub const fn of_inputs(self) -> bool {
        matches!(self, Self::Clamped | Self::Rounded | Self::Moved)
    }
}

/// How many pixels of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What happened to them.
    pub what: What,
    /// The input or output, by its place in the task.
    pub place: u32,
    /// Its first file of which there are any.
    pub file: u32,
    /// Such pixels, in all files.
    pub pixels: u64,
}

/// Counts, one for each thing that happened to an input or output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally(Vec<Count>);

impl Tally {
    /// Adds pixels of an input or output; none are not noted.
    pub fn add(&mut self, count: Count) {
        if count.pixels == 0 {
            return;
        }
        match self.0.iter_mut().find(|c| (c.what, c.place) == (count.what, count.place)) {
            Some(known) => {
                known.pixels = known.pixels.saturating_add(count.pixels);
                known.file = known.file.min(count.file);
            }
            None => self.0.push(count),
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|count| self.add(*count));
    }

    /// All counts, those of an input or output together.
    pub fn counts(&self) -> &[Count] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_the_same_kind_are_added_up() {
        let count = |what, place, file, pixels| Count { what, place, file, pixels };
        let mut all = Tally::default();
        all.add(count(What::Clamped, 0, 3, 7));
        all.add(count(What::Rounded, 0, 0, 0));
        let mut other = Tally::default();
        other.add(count(What::Clamped, 0, 1, 2));
        other.add(count(What::Clamped, 1, 0, u64::MAX));
        all.merge(&other);
        all.merge(&other);
        assert_eq!(all.counts(), [count(What::Clamped, 0, 1, 11), count(What::Clamped, 1, 0, u64::MAX)]);
    }
}
