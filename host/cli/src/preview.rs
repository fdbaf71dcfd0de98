//! `tilefn preview`: a quick look at a raster as a PNG picture.

use super::console::Console;
use super::fatal::Fatal;
use super::new_file::{place, unwritten};
use clap::Args;
use raster::{ColorRamp, Thumbnail, View, destination, fingerprints, inspect, thumbnail};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The raster: any path that GDAL can open, s3:// and https:// included
    raster: String,
    /// The picture, a .png file; replaced if it exists
    #[arg(short, long, value_name = "FILE", value_parser = png_path)]
    output: PathBuf,
    /// Pixels of the longer side at most
    #[arg(long, value_name = "PIXELS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,
    /// One band, or three for red, green and blue; default: 1,2,3 where there are three bands, else 1
    #[arg(long, value_name = "BANDS", value_delimiter = ',')]
    bands: Vec<usize>,
    /// Colours of a single band: gray, viridis, rdylgn, …; default: the file's colour table, else gray
    #[arg(long, value_name = "NAME", value_parser = ramp)]
    ramp: Option<ColorRamp>,
    /// Values shown darkest and brightest; default: the 2nd and 98th percentile of what is seen of each band
    #[arg(long, value_name = "MIN,MAX", allow_hyphen_values = true, value_parser = range)]
    range: Option<(f64, f64)>,
}

/// Draws the picture.
pub fn preview(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let view =
        View { size: arguments.size, bands: arguments.bands.clone(), ramp: arguments.ramp, range: arguments.range };
    let picture = thumbnail(&arguments.raster, &view).map_err(Fatal::usage)?;
    let shown = arguments.output.display();
    let output = destination(&arguments.output.to_string_lossy()).map_err(|e| Fatal::usage(format!("{shown}: {e}")))?;
    if is_read(&arguments.raster, &output) {
        return Err(Fatal::usage(format!("{shown} is a file of {}, which is to stay", arguments.raster)));
    }
    let output = &output;
    place(output, |made| {
        File::create_new(made).and_then(|file| write(file, &picture)).map_err(|e| unwritten(output, e))
    })?;
    let (rows, cols) = (picture.rows, picture.cols);
    console.result(
        &format!("wrote {} ({cols} × {rows} pixels)", output.display()),
        "preview",
        || json!({ "path": output, "rows": rows, "cols": cols }),
    );
    Ok(())
}

/// Whether the file is one of those that the raster is made of.
fn is_read(raster: &str, file: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let (Some(own), Ok(info)) = (id(file), inspect(raster)) else { return false };
    fingerprints(raster, &info.files).iter().any(|one| id(Path::new(&one.file)) == Some(own))
}

fn write(file: File, picture: &Thumbnail) -> std::io::Result<()> {
    let mut to = BufWriter::new(file);
    let mut encoder = png::Encoder::new(&mut to, picture.cols, picture.rows);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgba)?;
    writer.finish()?;
    to.flush()
}

fn png_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("png") => Ok(path),
        _ => Err("a picture's name ends in .png".into()),
    }
}

fn ramp(name: &str) -> Result<ColorRamp, String> {
    ColorRamp::from_name(name).ok_or_else(|| format!("there are {}", ColorRamp::names().collect::<Vec<_>>().join(", ")))
}

fn range(text: &str) -> Result<(f64, f64), String> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    match text.split_once(',').map(|(min, max)| (number(min), number(max))) {
        Some((Some(min), Some(max))) if min < max => Ok((min, max)),
        _ => Err("two numbers, the smaller first, e.g. -1,1".into()),
    }
}
