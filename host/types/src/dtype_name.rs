//! Serde for element types: by name, as everywhere else. Use with `#[serde(with = "crate::dtype_name")]`.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use tilefn_abi::DType;

/// Writes the name.
pub fn serialize<S: Serializer>(dtype: &DType, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(dtype.name())
}

/// Reads the name.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<DType, D::Error> {
    let name = String::deserialize(d)?;
    DType::from_name(&name).ok_or_else(|| D::Error::custom(format!("no such type: {name:?}")))
}

/// The same for a type that may be left out.
pub mod optional {
    use serde::{Deserializer, Serializer};
    use tilefn_abi::DType;

    /// Writes the name. A type that was left out isn't to be written.
    pub fn serialize<S: Serializer>(dtype: &Option<DType>, s: S) -> Result<S::Ok, S::Error> {
        match dtype {
            Some(dtype) => super::serialize(dtype, s),
            None => s.serialize_none(),
        }
    }

    /// Reads the name.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<DType>, D::Error> {
        super::deserialize(d).map(Some)
    }
}
