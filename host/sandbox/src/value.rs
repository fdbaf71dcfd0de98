//! Values in a function's description: of parameters, and of nodata.

use tilefn_abi::{DType, ParamKind};
use types::{Nodata, Value};

/// The single value of this kind that a JSON value is; an integer is also a float.
pub(super) fn value_from_json(kind: ParamKind, json: &serde_json::Value) -> Option<Value> {
    match kind {
        ParamKind::Bool => json.as_bool().map(Value::Bool),
        ParamKind::Int => json.as_i64().map(Value::Int),
        ParamKind::Float => json.as_f64().map(Value::Float),
        ParamKind::Text => json.as_str().map(|text| Value::Text(text.to_owned())),
        // The job names the file.
        ParamKind::Bytes => None,
    }
}

/// The nodata value that a JSON number is, or NaN for `"nan"`.
pub(super) fn nodata_from_json(json: &serde_json::Value) -> Option<Nodata> {
    if json.as_str() == Some("nan") {
        return Some(Nodata::Float(f64::NAN));
    }
    let integer = json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from));
    integer.map(Nodata::Int).or_else(|| json.as_f64().map(Nodata::Float))
}

/// The value as a pixel of this type has it; `None` when the type can't hold it. Floats are rounded to the type, integers never are.
pub(super) fn fit(value: Nodata, dtype: DType) -> Option<Nodata> {
    let held = Nodata::from_bits(value.as_bits_for(dtype).ok()?, dtype);
    (held.as_f64().is_finite() || !value.as_f64().is_finite()).then_some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_types_or_not() {
        let int = |n: i128| Nodata::Int(n);
        assert_eq!(fit(int(255), DType::UInt8), Some(int(255)));
        assert_eq!(fit(int(256), DType::UInt8), None);
        assert_eq!(fit(int(-1), DType::UInt64), None);
        assert_eq!(fit(int(-128), DType::Int8), Some(int(-128)));
        assert_eq!(fit(int(u64::MAX.into()), DType::UInt64), Some(int(u64::MAX.into())));
        assert_eq!(fit(int(i64::MIN.into()), DType::Int64), Some(int(i64::MIN.into())));
        assert_eq!(fit(Nodata::Float(-9999.0), DType::Int16), Some(int(-9999)));
        assert_eq!(fit(Nodata::Float(0.5), DType::Int16), None);
        assert_eq!(fit(Nodata::Float(f64::NAN), DType::Int16), None);
        assert_eq!(fit(Nodata::Float(f64::INFINITY), DType::Int64), None);
        assert_eq!(fit(Nodata::Float(0.1), DType::Float32), Some(Nodata::Float(0.1f32.into())));
        assert_eq!(fit(Nodata::Float(1e300), DType::Float32), None);
        assert_eq!(fit(Nodata::Float(f64::INFINITY), DType::Float32), Some(Nodata::Float(f64::INFINITY)));
        assert!(matches!(fit(Nodata::Float(f64::NAN), DType::Float32), Some(Nodata::Float(x)) if x.is_nan()));
        assert_eq!(fit(int(-9999), DType::Float64), Some(Nodata::Float(-9999.0)));
    }
}
