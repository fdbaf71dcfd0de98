//! Which pixels of a file a window of the working grid needs.

use crate::files::resample::extent::lattice;
use crate::files::resample::transformer::Transformer;
use grid::Window;

/// Steps in which a large window is looked at, on each side. A window of no more pixels is looked at in every corner of its pixels.
const STEPS: u32 = 32;
/// Pixels of a file that are read beyond those computed.
const SPARE: f64 = 2.0;

/// The pixels of a file that a window of the grid needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// None.
    Nothing,
    /// These.
    Window(Window),
    /// That can't be told without looking at smaller windows.
    Unclear,
}

/// What `window` needs of a file of this size (rows, columns), if a pixel needs those up to `reach` (rows, columns) around it.
///
/// Between the positions that are looked at, the file's positions are as good as linear, or the answer is `Unclear`: then the
/// window has a pole or an edge of the map in it. Small windows are looked at pixel by pixel.
pub(crate) fn needed(transformer: &Transformer, window: &Window, size: (u32, u32), reach: (f64, f64)) -> Needed {
    let small = window.rows <= STEPS && window.cols <= STEPS;
    let positions = transformer.to_file(&lattice(window, STEPS));
    let known: Vec<_> = positions.iter().copied().flatten().collect();
    if known.is_empty() && small {
        return Needed::Nothing;
    }
    if known.len() < positions.len() && !small {
        return Needed::Unclear;
    }
    let across = usize::try_from(window.cols.clamp(1, STEPS)).unwrap_or_default() + 1;
    let bend = if small { 0.0 } else { bend(&known, across) };
    let range = |part: fn(&(f64, f64)) -> f64| {
        let all = || known.iter().map(part);
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((top, bottom), (left, right)) = (range(|p| p.0), range(|p| p.1));
    if bend > SPARE.max(0.1 * (bottom - top).max(right - left)) {
        return Needed::Unclear;
    }
    let side = |(start, end): (f64, f64), size: u32, reach: f64| {
        let spare = reach + SPARE + bend;
        let clamp = |value: f64| value.clamp(0.0, size.into());
        let (start, end) = (clamp((start - spare).floor()), clamp((end + spare).ceil()));
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the file's size")]
        (start as i64, end as i64)
    };
    let ((row, row_end), (col, col_end)) = (side((top, bottom), size.0, reach.0), side((left, right), size.1, reach.1));
    match Window::between(row, col, row_end, col_end) {
        Some(window) if !window.is_empty() => Needed::Window(window),
        _ => Needed::Nothing,
    }
}

/// The largest distance of a position from the middle of its neighbours in the lattice.
fn bend(positions: &[(f64, f64)], across: usize) -> f64 {
    let distance = |a: &(f64, f64), b: &(f64, f64), c: &(f64, f64)| {
        ((a.0 + c.0) / 2.0 - b.0).abs().max(((a.1 + c.1) / 2.0 - b.1).abs())
    };
    let lines = positions.chunks(across).flat_map(|line| line.windows(3));
    let along = lines.filter_map(|three| if let [a, b, c] = three { Some(distance(a, b, c)) } else { None });
    let down = positions
        .iter()
        .zip(positions.iter().skip(across))
        .zip(positions.iter().skip(2 * across))
        .map(|((a, b), c)| distance(a, b, c));
    along.chain(down).fold(0.0, f64::max)
}
