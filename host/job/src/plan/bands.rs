//! How an input's bands are read: which pixels are valid, how numbers are converted, and which value marks invalid pixels.

use super::draft::Draft;
use crate::spec::{FileOf, InputNodata, MaskUse, RasterInput};
use raster::{BandInfo, Info, Mask, SourceBand};
use tilefn_abi::DType;
use types::Nodata;

/// A band as it is read, and the nodata value that the function is told; none where NaN says it all.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// For the source.
    pub source: SourceBand,
    /// For the function, as the ABI encodes it for the wanted type.
    pub declared: Option<u64>,
}

impl Planned {
    /// The same band of a file that lacks pixels of the grid, for a reader that wants this type.
    pub fn with_gaps(self, wanted: DType) -> Self {
        let (source, declared) = self.source.marked_with_gaps(wanted);
        Self { source, declared }
    }
}

/// Plans the bands with these numbers, for a function that takes `wanted`.
pub fn plan(
    draft: &mut Draft<'_>,
    key: &str,
    (input, file): (&RasterInput, &FileOf<'_>),
    (info, numbers): (&Info, &[usize]),
    wanted: DType,
) -> Option<Vec<Planned>> {
    let (path, section) = (file.path, file.section(key));
    let given = given(draft, &section, file.nodata, numbers.len())?;
    let unscale = input.unscale == Some(true);
    if unscale && !wanted.is_float() {
        let key = format!("{key}.unscale");
        let message = format!("the function takes {}, and scaled numbers are none", wanted.name());
        draft.wrong(key, message).hint("let the function take float32 or float64");
        return None;
    }
    let mut planned = Vec::with_capacity(numbers.len());
    for (number, given) in numbers.iter().zip(given) {
        let info = number.checked_sub(1).and_then(|index| info.bands.get(index))?;
        let scale = unscale.then_some((info.scale, info.offset)).filter(|scale| *scale != (1.0, 0.0));
        if scale.is_some_and(|(scale, offset)| !(scale.is_finite() && offset.is_finite())) {
            let key = format!("{key}.unscale");
            let message = format!("{path}: band {number} has scale {} and offset {}", info.scale, info.offset);
            draft.wrong(key, message).hint("set unscale = false");
            return None;
        }
        let nodata = match given {
            Some(value) => {
                let held = Nodata::Float(value.0).held_by(info.dtype);
                if held.is_none() {
                    draft.warnings.push(format!(
                        "{section}.nodata: no pixel of {path} can be {value}, since band {number} is {}",
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
        let (source, declared) = source.marked(wanted);
        planned.push(Planned { source, declared });
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

/// The job's nodata for each band.
fn given(
    draft: &mut Draft<'_>,
    section: &str,
    nodata: Option<&InputNodata>,
    bands: usize,
) -> Option<Vec<Option<crate::Nodata>>> {
    match nodata {
        None => Some(vec![None; bands]),
        Some(InputNodata::All(value)) => Some(vec![Some(*value); bands]),
        Some(InputNodata::PerBand(values)) if values.len() == bands => Some(values.iter().copied().map(Some).collect()),
        Some(InputNodata::PerBand(values)) => {
            let key = format!("{section}.nodata");
            let message = format!("{} values for {bands} bands", values.len());
            draft.wrong(key, message).hint("give one value, or one for each band that is read");
            None
        }
    }
}
