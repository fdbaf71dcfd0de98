//! Medians of many short sequences at once: a sorting network that compares the same places whatever the values, so that
//! it runs on the processor's vectors.

/// Pixels sorted at a time.
pub const LANES: usize = 64;

/// Sorts as many sequences of `n` values as there are lanes, as far as their medians need.
pub struct Medians {
    /// For sequences of which all values are valid.
    complete: Vec<(usize, usize)>,
    /// For the others: invalid values are infinite, so the middle of the valid ones is in the first half.
    partial: Vec<(usize, usize)>,
    /// The values to sort, to be filled in.
    pub lanes: Vec<[f32; LANES]>,
    /// How many values of each sequence are valid, to be filled in.
    pub counts: [u32; LANES],
}

impl Medians {
    pub fn new(n: usize) -> Self {
        let all = merge_exchange(n);
        Self {
            complete: needed(&all, n, n.saturating_sub(1) / 2),
            partial: needed(&all, n, 0),
            lanes: vec![[f32::INFINITY; LANES]; n],
            counts: [0; LANES],
        }
    }

    /// Writes the medians to `result`, which is shorter than the lanes at the end of a row.
    pub fn write(&mut self, result: &mut [f32]) {
        if self.counts.iter().all(|count| *count == 0) {
            result.fill(f32::NAN);
            return;
        }
        let full = self.counts.iter().all(|count| *count as usize == self.lanes.len());
        for &(i, j) in if full { &self.complete } else { &self.partial } {
            let (head, tail) = self.lanes.split_at_mut(j);
            for (a, b) in head[i].iter_mut().zip(&mut tail[0]) {
                (*a, *b) = if *b < *a { (*b, *a) } else { (*a, *b) };
            }
        }
        for (lane, (out, count)) in result.iter_mut().zip(self.counts).enumerate() {
            let count = count as usize;
            *out = match count {
                0 => f32::NAN,
                _ => (self.lanes[(count - 1) / 2][lane] + self.lanes[count / 2][lane]) / 2.0,
            };
        }
    }
}

/// Batcher's merge exchange (Knuth, The Art of Computer Programming, volume 3, 5.2.2 M): sorts `n` values.
fn merge_exchange(n: usize) -> Vec<(usize, usize)> {
    let mut steps = Vec::new();
    let top = n.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            steps.extend((0..n.saturating_sub(d)).filter(|i| i & p == r).map(|i| (i, i + d)));
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
    steps
}

/// The steps on which the places from `first` to the middle depend.
fn needed(steps: &[(usize, usize)], n: usize, first: usize) -> Vec<(usize, usize)> {
    let mut wanted: Vec<_> = (0..n).map(|place| (first..=n / 2).contains(&place)).collect();
    let mut kept = Vec::new();
    for &(i, j) in steps.iter().rev() {
        if wanted[i] || wanted[j] {
            (wanted[i], wanted[j]) = (true, true);
            kept.push((i, j));
        }
    }
    kept.reverse();
    kept
}
