//! Named colour ramps, for colour tables and previews.

use colorous::Gradient;

/// A named series of colours.
#[derive(Clone, Copy, Debug)]
pub struct ColorRamp(RampKind);

#[derive(Clone, Copy, Debug)]
enum RampKind {
    Gradient(Gradient),
    Gray,
    Random,
}

/// Every gradient by name: those of matplotlib and d3, and ColorBrewer's.
const GRADIENTS: [(&str, Gradient); 38] = [
    ("viridis", colorous::VIRIDIS),
    ("inferno", colorous::INFERNO),
    ("magma", colorous::MAGMA),
    ("plasma", colorous::PLASMA),
    ("cividis", colorous::CIVIDIS),
    ("turbo", colorous::TURBO),
    ("rainbow", colorous::RAINBOW),
    ("sinebow", colorous::SINEBOW),
    ("warm", colorous::WARM),
    ("cool", colorous::COOL),
    ("cubehelix", colorous::CUBEHELIX),
    ("blues", colorous::BLUES),
    ("greens", colorous::GREENS),
    ("greys", colorous::GREYS),
    ("oranges", colorous::ORANGES),
    ("purples", colorous::PURPLES),
    ("reds", colorous::REDS),
    ("bugn", colorous::BLUE_GREEN),
    ("bupu", colorous::BLUE_PURPLE),
    ("gnbu", colorous::GREEN_BLUE),
    ("orrd", colorous::ORANGE_RED),
    ("pubugn", colorous::PURPLE_BLUE_GREEN),
    ("pubu", colorous::PURPLE_BLUE),
    ("purd", colorous::PURPLE_RED),
    ("rdpu", colorous::RED_PURPLE),
    ("ylgnbu", colorous::YELLOW_GREEN_BLUE),
    ("ylgn", colorous::YELLOW_GREEN),
    ("ylorbr", colorous::YELLOW_ORANGE_BROWN),
    ("ylorrd", colorous::YELLOW_ORANGE_RED),
    ("brbg", colorous::BROWN_GREEN),
    ("prgn", colorous::PURPLE_GREEN),
    ("piyg", colorous::PINK_GREEN),
    ("puor", colorous::PURPLE_ORANGE),
    ("rdbu", colorous::RED_BLUE),
    ("rdgy", colorous::RED_GREY),
    ("rdylbu", colorous::RED_YELLOW_BLUE),
    ("rdylgn", colorous::RED_YELLOW_GREEN),
    ("spectral", colorous::SPECTRAL),
];

impl ColorRamp {
    /// From black to white.
    pub const GRAY: Self = Self(RampKind::Gray);

    /// The ramp with this name, whatever its case: `"viridis"`, `"gray"`, ColorBrewer's `"YlGnBu"`, `"random"`, ….
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let kind = match name.as_str() {
            "gray" | "grey" => RampKind::Gray,
            "random" => RampKind::Random,
            _ => RampKind::Gradient(GRADIENTS.iter().find(|(n, _)| *n == name)?.1),
        };
        Some(Self(kind))
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        GRADIENTS.iter().map(|(name, _)| *name).chain(["gray", "random"])
    }

    /// Red, green and blue of colour `index` of `count`, always the same.
    pub fn color(self, index: usize, count: usize) -> [u8; 3] {
        let last = count.saturating_sub(1).max(1);
        let index = index.min(last);
        match self.0 {
            RampKind::Gradient(gradient) => gradient.eval_rational(index, last + 1).into_array(),
            // In proportion, and never above 255.
            RampKind::Gray => [u8::try_from(index * 255 / last).unwrap_or(u8::MAX); 3],
            RampKind::Random => {
                // A step of the golden angle around the colour wheel keeps neighbours apart.
                let turn = (index as f64 * 0.618_033_988_749_894_9).fract();
                colorous::SINEBOW.eval_continuous(turn).into_array()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ends() {
        for name in ColorRamp::names() {
            assert!(ColorRamp::from_name(name).is_some(), "{name}");
        }
        // The ends of matplotlib's viridis.
        let viridis = ColorRamp::from_name("Viridis").unwrap();
        assert_eq!(viridis.color(0, 10), [68, 1, 84]);
        assert_eq!(viridis.color(9, 10), [253, 231, 37]);
        let gray = ColorRamp::from_name("gray").unwrap();
        assert_eq!([0, 1, 2].map(|i| gray.color(i, 3)), [[0; 3], [127; 3], [255; 3]]);
        assert_eq!(gray.color(0, 0), [0; 3]);
        let random = ColorRamp::from_name("random").unwrap();
        let all: std::collections::HashSet<_> = (0..20).map(|i| random.color(i, 20)).collect();
        assert_eq!(all.len(), 20);
        assert!(ColorRamp::from_name("mauve").is_none());
    }
}
