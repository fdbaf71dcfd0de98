//! Accumulating over a whole raster.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// What a function gathers over all tiles, such as sums per class.
///
/// Each tile returns its part as a [`Reduced`]; the host merges the parts in tile order, so the result doesn't depend on
/// how many workers there were, and puts [`finish`](Self::finish) into the run's report as JSON. Between tiles the state
/// is stored with a compact serde format that isn't self-describing: `#[serde(flatten)]`, `untagged` and
/// `skip_serializing_if` don't work in it. Use a `BTreeMap` where a `HashMap` would make the order random.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tilefn_guest::prelude::*;
///
/// #[derive(Serialize, Deserialize)]
/// struct Mean {
///     sum: f64,
///     count: u64,
/// }
///
/// impl Reduce for Mean {
///     fn identity() -> Self {
///         Mean { sum: 0.0, count: 0 }
///     }
///
///     fn merge(&mut self, later: Self) {
///         self.sum += later.sum;
///         self.count += later.count;
///     }
///
///     fn finish(self) -> impl Serialize {
///         self.sum / self.count as f64
///     }
/// }
///
/// #[tile_function]
/// fn mean_height(dem: Tile<f32>) -> Reduced<Mean> {
///     let mut mean = Mean::identity();
///     for height in dem.valid() {
///         mean.merge(Mean { sum: f64::from(height), count: 1 });
///     }
///     Reduced(mean)
/// }
/// # let Reduced(mean) = mean_height(Tile::from_rows([[1.0, f32::NAN, 3.0]]));
/// # assert_eq!(mean.sum, 4.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't say how the parts of two tiles are merged",
    label = "needs `impl Reduce for {Self}`"
)]
pub trait Reduce: Serialize + DeserializeOwned {
    /// What merging with leaves unchanged; the result when there is no tile.
    fn identity() -> Self;

    /// Takes in the part of later tiles.
    fn merge(&mut self, later: Self);

    /// The result for the report. A float that isn't a number becomes `null`.
    fn finish(self) -> impl Serialize;
}

/// A tile's part of what the function gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced<T>(pub T);

/// Something gathered for each key, such as each zone or class: the parts of a key are merged, and the result has each key's own.
///
/// In the report, as in all JSON, keys are texts: the key 7 is `"7"`.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use std::collections::BTreeMap;
/// # use tilefn_guest::prelude::*;
/// # #[derive(Serialize, Deserialize)]
/// # struct Mean { sum: f64, count: u64 }
/// # impl Reduce for Mean {
/// #     fn identity() -> Self { Mean { sum: 0.0, count: 0 } }
/// #     fn merge(&mut self, later: Self) { self.sum += later.sum; self.count += later.count; }
/// #     fn finish(self) -> impl Serialize { self.sum / self.count as f64 }
/// # }
///
/// #[tile_function]
/// fn mean_heights(dem: Tile<f32>, zones: Tile<i32>) -> Reduced<BTreeMap<i32, Mean>> {
///     let mut means = BTreeMap::new();
///     for ((_, row, col), height) in dem.valid_indexed() {
///         if let Some(zone) = zones.get(0, row, col) {
///             means.entry(zone).or_insert_with(Mean::identity).merge(Mean { sum: f64::from(height), count: 1 });
///         }
///     }
///     Reduced(means)
/// }
/// # let Reduced(means) = mean_heights(Tile::from_rows([[1.0, f32::NAN, 3.0]]), Tile::from_rows([[7, 7, 7]]));
/// # assert_eq!(means[&7].sum, 4.0);
/// ```
impl<K: Ord + Serialize + DeserializeOwned, V: Reduce> Reduce for BTreeMap<K, V> {
    fn identity() -> Self {
        Self::new()
    }

    fn merge(&mut self, later: Self) {
        for (key, part) in later {
            self.entry(key).or_insert_with(V::identity).merge(part);
        }
    }

    fn finish(self) -> impl Serialize {
        self.into_iter().map(|(key, part)| (key, part.finish())).collect::<BTreeMap<_, _>>()
    }
}

/// A state as bytes.
pub(crate) fn encode<R: Reduce>(state: &R) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(state).map_err(|e| Error::from(e).context("the reduced state can't be stored"))
}

/// A state from its bytes; no bytes are the identity.
pub(crate) fn decode<R: Reduce>(bytes: &[u8]) -> Result<R, Error> {
    if bytes.is_empty() {
        return Ok(R::identity());
    }
    match postcard::take_from_bytes(bytes) {
        Ok((state, [])) => Ok(state),
        Ok(_) => Err("the reduced state can't be read back: it has bytes left over".into()),
        Err(e) => Err(Error::from(e).context("the reduced state can't be read back")),
    }
}

/// The state of two runs of tiles, `earlier` before `later`.
#[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "only modules are asked to merge"))]
pub(crate) fn merge<R: Reduce>(earlier: &[u8], later: &[u8]) -> Result<Vec<u8>, Error> {
    let mut state: R = decode(earlier)?;
    state.merge(decode(later)?);
    encode(&state)
}

/// The result as JSON text.
#[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "only modules are asked to finish"))]
pub(crate) fn finish<R: Reduce>(state: &[u8]) -> Result<String, Error> {
    let result = decode::<R>(state)?.finish();
    serde_json::to_string(&result).map_err(|e| Error::from(e).context("the reduced result can't be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Values in the order in which they came.
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Seen(Vec<u8>);

    impl Reduce for Seen {
        fn identity() -> Self {
            Self(Vec::new())
        }

        fn merge(&mut self, later: Self) {
            self.0.extend(later.0);
        }

        fn finish(self) -> impl Serialize {
            self.0.len()
        }
    }

    #[test]
    fn each_key_has_its_own() {
        let part = |parts: &[(i64, u8)]| {
            let mut map = BTreeMap::<i64, Seen>::identity();
            parts.iter().for_each(|(key, value)| Reduce::merge(&mut map, BTreeMap::from([(*key, Seen(vec![*value]))])));
            map
        };
        let (earlier, later) = (part(&[(7, 1), (-1, 2)]), part(&[(7, 3), (9, 4)]));
        let merged = merge::<BTreeMap<i64, Seen>>(&encode(&earlier).unwrap(), &encode(&later).unwrap()).unwrap();
        assert_eq!(decode::<BTreeMap<i64, Seen>>(&merged).unwrap(), part(&[(-1, 2), (7, 1), (7, 3), (9, 4)]));
        assert_eq!(finish::<BTreeMap<i64, Seen>>(&merged).unwrap(), r#"{"-1":1,"7":2,"9":1}"#);
        assert_eq!(finish::<BTreeMap<i64, Seen>>(&[]).unwrap(), "{}");
    }
}
