//! Sizes ("1GiB"), times ("60s") and nodata values as the job file writes them.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SIZE_UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Milliseconds of each unit; "ms" is looked up before "s" because the whole unit must match.
const TIME_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// A number of bytes: `"1GiB"`, `"512 MB"` or plain bytes. GiB is 1024³ bytes, GB is 1000³.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// One MiB.
    pub const MIB: Self = Self(1 << 20);

    /// Reads `"1.5 GiB"`; `None` when it isn't a number and a known unit, or doesn't fit 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, &SIZE_UNITS, Some(1)).map(Self)
    }

    /// Whole MiB, rounded up.
    pub const fn mib(self) -> u64 {
        self.0.div_ceil(Self::MIB.0)
    }
}

impl fmt::Display for Size {
    /// The largest binary unit that divides it, so that reading it again gives the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, bytes) in [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= bytes && self.0.is_multiple_of(bytes) {
                return write!(f, "{}{unit}", self.0 / bytes);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// A length of time: `"60s"`, `"500ms"`, `"2m"`, `"24h"`; in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// A number of seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as u64 * 1_000)
    }

    /// A duration in whole milliseconds.
    pub fn of(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads `"1.5 m"`; `None` when it isn't a number and a known unit, or doesn't fit 64 bits of milliseconds.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, &TIME_UNITS, None).map(Self)
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Time {
    /// The largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, millis) in TIME_UNITS.iter().rev() {
            if self.0 >= *millis && self.0.is_multiple_of(*millis) {
                return write!(f, "{}{unit}", self.0 / millis);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

/// `number unit` → number × the unit's factor, rounded. Without a unit `bare` is the factor, if a bare number is allowed.
fn scaled(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor = if unit.is_empty() { bare? } else { units.iter().find(|(name, _)| *name == unit)?.1 };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let value = number.parse::<f64>().ok()? * factor as f64;
    // 2^63 is far above any sensible size, and every f64 below it converts without loss of meaning.
    if !(0.0..9.2e18).contains(&value) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and in range, checked above")]
    Some(value.round() as u64)
}

/// A nodata value; NaN is written `"nan"`.
#[derive(Clone, Copy, Debug)]
pub struct Nodata(pub f64);

impl PartialEq for Nodata {
    /// NaN equals NaN: both say the same in a job file.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl fmt::Display for Nodata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() { f.write_str("nan") } else { write!(f, "{}", self.0) }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Nodata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.collect_str(self) }
    }
}

/// Accepts a text that `text` can read, or a number that `number` or `whole` takes.
struct TextOrNumber<T> {
    wanted: &'static str,
    text: fn(&str) -> Option<T>,
    number: fn(f64) -> Option<T>,
    whole: fn(u64) -> Option<T>,
}

impl<T> Visitor<'_> for TextOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.whole)(number).ok_or_else(|| E::invalid_type(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        (self.number)(number as f64).ok_or_else(|| E::invalid_type(de::Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        (self.number)(number).ok_or_else(|| E::invalid_type(de::Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber {
            wanted: "a size such as \"1GiB\"",
            text: Self::parse,
            number: |_| None,
            whole: |bytes| Some(Self(bytes)),
        })
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber {
            wanted: "a time such as \"60s\"",
            text: Self::parse,
            number: |_| None,
            whole: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for Nodata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber {
            wanted: "a number or \"nan\"",
            text: |text| (text == "nan").then_some(Self(f64::NAN)),
            number: |number| Some(Self(number)),
            whole: |number| Some(Self(number as f64)),
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: plain, or with a unit (GiB is 1024³ bytes, GB is 1000³).",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": r"^\s*[0-9.]+\s*([kKmMgGtT]?[iI]?[bB])?\s*$" },
            ],
            "examples": ["1GiB", "512 MB", 65536],
            "x-format": "size",
            "x-expected": "a size such as \"1GiB\" or \"512 MB\"",
        })
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time with its unit: ms, s, m or h.",
            "type": "string",
            "pattern": r"^\s*[0-9.]+\s*([mM]?[sS]|[mM]|[hH])\s*$",
            "examples": ["60s", "500ms", "2m", "24h"],
            "x-format": "time",
            "x-expected": "a time such as \"60s\", \"500ms\", \"2m\" or \"1h\"",
        })
    }
}

impl JsonSchema for Nodata {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Nodata".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The value that marks invalid pixels.",
            "anyOf": [{ "type": "number" }, { "const": "nan" }],
            "examples": [-9999, "nan"],
            "x-format": "nodata",
            "x-expected": "a number or \"nan\"",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("512 MB", 512_000_000),
            ("512mib", 512 << 20),
            ("1.5KiB", 1536),
            ("17", 17),
            ("17 B", 17),
            (" 2 TiB ", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        }
        for text in
            ["", "GiB", "-1GiB", "1 Gib it", "1.2.3MB", "1GiG", "18446744073709551616", "99999999TiB", "1e3MB", "∞ MB"]
        {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        assert_eq!(Size((1 << 20) + 1).mib(), 2);
    }

    #[test]
    fn times() {
        for (text, millis) in [("60s", 60_000), ("2m", 120_000), ("500ms", 500), ("1.5 h", 5_400_000), ("0.5S", 500)] {
            assert_eq!(Time::parse(text).map(Time::duration), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "60", "s", "-1s", "1d", "1 s s", "999999999999999999h"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for bytes in [0, 1, 1023, 1024, 1536, 1 << 30, 3 << 40, u64::MAX] {
            assert_eq!(Size::parse(&Size(bytes).to_string()), Some(Size(bytes)));
        }
        for millis in [0, 1, 1000, 1001, 60_000, 90_000, 3_600_000] {
            assert_eq!(Time::parse(&Time(millis).to_string()), Some(Time(millis)));
        }
        assert_eq!(Size(1 << 30).to_string(), "1GiB");
        assert_eq!(Time(90_000).to_string(), "90s");
    }
}
