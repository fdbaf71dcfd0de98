//! Warnings about changed and lost pixels.

use tilefn_abi::DType;
use types::tally::{Count, Tally, What};
use worker::Task;

/// One text for each thing that happened to an input or output, where the job doesn't allow it.
pub fn warnings(task: &Task, tally: &Tally) -> Vec<String> {
    let mut counts = tally.counts().to_vec();
    counts.sort_unstable_by_key(|c| (!c.what.of_inputs(), c.place, c.what));
    counts
        .iter()
        .filter_map(|count| if count.what.of_inputs() { input(task, count) } else { output(task, count) })
        .collect()
}

fn input(task: &Task, count: &Count) -> Option<String> {
    let input = task.inputs.get(usize::try_from(count.place).ok()?).filter(|input| !input.lossy)?;
    let raster = input.rasters.get(usize::try_from(count.file).ok()?)?;
    let dtype = raster.dtype;
    let files = if input.rasters.len() > 1 { format!("{} and others", raster.path) } else { raster.path.clone() };
    let what = match count.what {
        What::Clamped if dtype.is_float() => format!("beyond the range of {}: infinite now", dtype.name()),
        What::Clamped => format!("beyond the range of {}: clamped to it", dtype.name()),
        What::Rounded => format!("rounded, since {} does not have their values", dtype.name()),
        What::Moved => {
            format!("changed by 1, since their tiles have all values of {} and invalid pixels", dtype.name())
        }
        What::Nodata | What::Bits => return None,
    };
    Some(format!("input {:?}: {} ({files}) {what}", input.name, pixels(count.pixels)))
}

fn output(task: &Task, count: &Count) -> Option<String> {
    let output = task.outputs.get(usize::try_from(count.place).ok()?).filter(|output| !output.lossy)?;
    let valid = if count.pixels == 1 { "valid pixel" } else { "valid pixels" };
    Some(match count.what {
        What::Nodata => {
            let value = types::Nodata::from_bits(output.nodata?, output.dtype);
            let equal = if count.pixels == 1 { "equals" } else { "equal" };
            // GDAL takes values near nodata for nodata, too.
            let near = if matches!(output.dtype, DType::Float32 | DType::Float64) { ", or nearly" } else { "" };
            format!("output {:?}: {} {valid} {equal} the nodata value {value}{near}", output.name, count.pixels)
        }
        What::Bits => {
            format!(
                "output {:?}: {} {valid} above {}, the most that NBITS leaves",
                output.name, count.pixels, output.most?
            )
        }
        _ => return None,
    })
}

fn pixels(count: u64) -> String {
    if count == 1 { "1 pixel".into() } else { format!("{count} pixels") }
}
