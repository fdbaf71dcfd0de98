//! What the pixels of an input's bands are: which are valid, how they are converted, and what marks the others.

use crate::job::Loaded;
use crate::job::spec::{InputNodata, MaskUse, RasterInput};
use crate::job::{self, Mistakes};
use crate::raster::{BandInfo, Info, Mask, Nodata, Pixel, SourceBand, for_dtype, holds_all};
use tilefn_abi::DType;

/// A band as it is read, and the nodata value that the function is told; none where NaN says it all.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// For the source.
    pub source: SourceBand,
    /// For the function, as the ABI encodes it for the wanted type.
    pub declared: Option<u64>,
}

/// Plans the bands with these numbers, for a function that takes `wanted`.
pub fn plan(
    loaded: &Loaded,
    key: &str,
    (path, input): (&str, &RasterInput),
    (info, numbers): (&Info, &[usize]),
    wanted: DType,
    mistakes: &mut Mistakes,
    warnings: &mut Vec<String>,
) -> Option<Vec<Planned>> {
    let given = given(loaded, key, input, numbers.len(), mistakes)?;
    let unscale = input.unscale == Some(true);
    if unscale && !wanted.is_float() {
        let key = format!("{key}.unscale");
        let message = format!("the function takes {}, and scaled numbers are none", wanted.name());
        mistakes.add(loaded.position(&key), key, message).hint("let the function take float32 or float64");
        return None;
    }
    let mut planned = Vec::with_capacity(numbers.len());
    for (number, given) in numbers.iter().zip(given) {
        let info = number.checked_sub(1).and_then(|index| info.bands.get(index))?;
        let scale = unscale.then_some((info.scale, info.offset)).filter(|scale| *scale != (1.0, 0.0));
        if scale.is_some_and(|(scale, offset)| !(scale.is_finite() && offset.is_finite())) {
            let key = format!("{key}.unscale");
            let message = format!("{path}: band {number} has scale {} and offset {}", info.scale, info.offset);
            mistakes.add(loaded.position(&key), key, message).hint("set unscale = false");
            return None;
        }
        let nodata = match given {
            Some(value) => {
                let held = Nodata::Float(value.0).held_by(info.dtype);
                if held.is_none() {
                    warnings.push(format!(
                        "{key}.nodata: no pixel of {path} can be {value}, since band {number} is {}",
                        info.dtype.name()
                    ));
                }
                held
            }
            None => own_nodata(info, input.mask),
        };
        let mask = match input.mask {
            MaskUse::None => false,
            MaskUse::Nodata => given.is_none() && info.mask == Mask::Nodata,
            MaskUse::Auto => info.mask == Mask::Band || given.is_none() && info.mask == Mask::Nodata,
        };
        let nodata = nodata.and_then(|value| value.as_bits_for(info.dtype).ok());
        let source = SourceBand { number: *number, dtype: info.dtype, nodata, mask, scale, mark: None };
        planned.push(marked(source, wanted));
    }
    Some(planned)
}

/// The band's nodata where it says which pixels are valid: GDAL doesn't look at it where there is a mask.
fn own_nodata(info: &BandInfo, mask: MaskUse) -> Option<Nodata> {
    match (mask, info.mask) {
        (MaskUse::None, _) | (MaskUse::Auto, Mask::Band) | (_, Mask::Nodata) => None,
        (MaskUse::Nodata, _) | (MaskUse::Auto, Mask::None) => info.nodata,
    }
}

/// Chooses what marks a band's invalid pixels.
fn marked(source: SourceBand, wanted: DType) -> Planned {
    // Where no number changes, nodata can't become equal to another one.
    let kept = !source.mask && source.scale.is_none() && holds_all(wanted, source.dtype);
    let nodata = source.nodata.map(|bits| Nodata::from_bits(bits, source.dtype));
    let nodata = nodata.and_then(|value| value.as_bits_for(wanted).ok());
    if wanted.is_float() {
        let declared = nodata.filter(|_| kept);
        return Planned { source: SourceBand { mark: declared.or(Some(f64::NAN.to_bits())), ..source }, declared };
    }
    let can_be_invalid = source.nodata.is_some() || source.mask || source.dtype.is_float();
    let mark = nodata.or_else(|| (can_be_invalid && !kept).then(|| first_mark(wanted)));
    Planned { source: SourceBand { mark, ..source }, declared: mark }
}

fn first_mark(dtype: DType) -> u64 {
    fn bits<T: Pixel>() -> u64 {
        T::marker(0).map_or(0, T::to_bits)
    }
    for_dtype!(dtype, bits())
}

/// The job's nodata for each band.
fn given(
    loaded: &Loaded,
    key: &str,
    input: &RasterInput,
    bands: usize,
    mistakes: &mut Mistakes,
) -> Option<Vec<Option<job::Nodata>>> {
    match &input.nodata {
        None => Some(vec![None; bands]),
        Some(InputNodata::All(value)) => Some(vec![Some(*value); bands]),
        Some(InputNodata::PerBand(values)) if values.len() == bands => Some(values.iter().copied().map(Some).collect()),
        Some(InputNodata::PerBand(values)) => {
            let key = format!("{key}.nodata");
            let message = format!("{} values for {bands} bands", values.len());
            mistakes.add(loaded.position(&key), key, message).hint("give one value, or one for each band that is read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dtype: DType, nodata: Option<Nodata>, mask: bool, wanted: DType) -> (Option<u64>, Option<u64>) {
        let nodata = nodata.map(|value| value.as_bits_for(dtype).unwrap());
        let source = SourceBand { number: 1, dtype, nodata, mask, scale: None, mark: None };
        let planned = marked(source, wanted);
        (planned.source.mark, planned.declared)
    }

    #[test]
    fn a_mark_is_nodata_where_that_is_enough() {
        let (int, nan) = (|v: i64| Some(v.cast_unsigned()), Some(f64::NAN.to_bits()));
        let nodata = Some(Nodata::Int(-9));
        assert_eq!(of(DType::Int16, nodata, false, DType::Int16), (int(-9), int(-9)));
        assert_eq!(of(DType::Int16, None, false, DType::Int16), (None, None));
        let float = Some((-9f64).to_bits());
        assert_eq!(of(DType::Int16, nodata, false, DType::Float32), (float, float));
        // Two integers may become one float.
        assert_eq!(of(DType::Int32, nodata, false, DType::Float32), (nan, None));
        assert_eq!(of(DType::UInt8, None, false, DType::Float32), (nan, None));
        assert_eq!(of(DType::UInt8, None, true, DType::Float32), (nan, None));
    }

    #[test]
    fn an_integer_gets_a_mark_where_a_pixel_can_be_invalid() {
        assert_eq!(of(DType::UInt8, None, true, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Float32, None, false, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Int16, Some(Nodata::Int(-9)), false, DType::UInt8), (Some(255), Some(255)));
        assert_eq!(of(DType::Int16, Some(Nodata::Int(9)), false, DType::UInt8), (Some(9), Some(9)));
        assert_eq!(of(DType::Int16, None, false, DType::UInt8), (None, None));
    }
}
