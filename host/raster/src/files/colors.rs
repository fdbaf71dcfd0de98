//! Colours of values: named ramps, for colour tables and previews, and colours that a job gives.

use colorous::Gradient;
use std::collections::BTreeMap;

/// Red, green, blue, and alpha, which is 255 where nothing shines through.
pub type Rgba = [u8; 4];

/// The colours of an output's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Colors {
    /// The name of a [`ColorRamp`].
    Ramp(String),
    /// Colours of single values.
    Values(BTreeMap<i64, Rgba>),
}

impl From<&str> for Colors {
    fn from(ramp: &str) -> Self {
        Self::Ramp(ramp.to_owned())
    }
}

/// The colour that `#rrggbb` or `#rrggbbaa` stands for.
pub fn rgba(text: &str) -> Option<Rgba> {
    let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    match digits.len() {
        6 => Some(((number << 8) | 0xff).to_be_bytes()),
        8 => Some(number.to_be_bytes()),
        _ => None,
    }
}

/// The colour of a value between others, each of which has one: linear between its neighbours, as in gdaldem; below the lowest and above
/// the highest, theirs.
pub(crate) fn between(colors: &BTreeMap<i64, Rgba>, value: i64) -> Option<Rgba> {
    let below = colors.range(..=value).next_back();
    let above = colors.range(value..).next();
    let (Some((low, from)), Some((high, to))) = (below, above) else {
        return below.or(above).map(|(_, color)| *color);
    };
    let part = if high > low { (value - low) as f64 / (high - low) as f64 } else { 0.0 };
    let mut color = *from;
    for (channel, to) in color.iter_mut().zip(to) {
        let mixed = f64::from(*channel) + part * (f64::from(*to) - f64::from(*channel));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
        let mixed = (mixed + 0.5) as u8;
        *channel = mixed;
    }
    Some(color)
}

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

    /// Red, green and blue of a value from `low` to `high`. A random colour depends on the value alone.
    pub(crate) fn color_of(self, value: i64, low: i64, high: i64) -> [u8; 3] {
        if let RampKind::Random = self.0 {
            return golden(value as f64);
        }
        let offset = |value: i64| usize::try_from(value.saturating_sub(low)).unwrap_or(0);
        self.color(offset(value), offset(high).saturating_add(1))
    }

    /// Red, green and blue of colour `index` of `count`, always the same.
    pub fn color(self, index: usize, count: usize) -> [u8; 3] {
        let last = count.saturating_sub(1).max(1);
        let index = index.min(last);
        match self.0 {
            RampKind::Gradient(gradient) => gradient.eval_rational(index, last + 1).into_array(),
            // In proportion, and never above 255.
            RampKind::Gray => [u8::try_from(index.saturating_mul(255) / last).unwrap_or(u8::MAX); 3],
            RampKind::Random => golden(index as f64),
        }
    }
}

/// A step of the golden angle around the colour wheel keeps neighbours apart.
fn golden(number: f64) -> [u8; 3] {
    let turn = (number * 0.618_033_988_749_894_9).rem_euclid(1.0);
    colorous::SINEBOW.eval_continuous(turn).into_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_what_is_between() {
        assert_eq!(rgba("#2b83ba"), Some([0x2b, 0x83, 0xba, 255]));
        assert_eq!(rgba("#2B83BA80"), Some([0x2b, 0x83, 0xba, 128]));
        for wrong in ["2b83ba", "#2b83b", "#2b83bg", "#+b83ba", "", "#", "#2b83ba8", "#2b83ba801"] {
            assert_eq!(rgba(wrong), None, "{wrong}");
        }
        let colors = BTreeMap::from([(-10, [0, 0, 0, 255]), (10, [255, 100, 0, 255]), (11, [1, 2, 3, 0])]);
        let at = |value| between(&colors, value).unwrap();
        assert_eq!(
            [-11, -10, 0, 10, 11, 12].map(at).map(|[r, g, ..]| (r, g)),
            [(0, 0), (0, 0), (128, 50), (255, 100), (1, 2), (1, 2)]
        );
        assert_eq!(between(&BTreeMap::new(), 1), None);
    }

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
