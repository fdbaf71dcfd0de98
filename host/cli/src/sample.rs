//! A small made-up scene, so that a new function has something to run on at once.

use grid::{GeoTransform, Grid};
use raster::{Error, Target, TargetSpec, crs_from_user};
use std::path::Path;
use tilefn_abi::DType;

/// Rows and columns.
const SIDE: u32 = 150;

/// Writes a coast with the bands blue, green, red and near infrared: water in the west, fields and bare soil in the east.
///
/// # Errors
/// When the file can't be written.
pub fn write(path: &Path) -> Result<(), Error> {
    let grid = Grid {
        transform: GeoTransform::north_up(290_000.0, 9_120_000.0, 30.0, 30.0),
        rows: SIDE,
        cols: SIDE,
        // A PROJ without its database knows no CRS; the scene works without one, too.
        crs: crs_from_user("EPSG:31985").unwrap_or_default(),
    };
    let band_names = ["blue", "green", "red", "near infrared"].map(str::to_owned).to_vec();
    let plain = TargetSpec::plain(path.display().to_string(), grid, DType::UInt8);
    let spec = TargetSpec { driver: Some("GTiff".into()), bands: 4, band_names, ..plain };
    let mut target = Target::create(spec)?;
    let window = target.spec().grid.window();
    let pixels: Vec<u8> =
        (0..4).flat_map(|band| (0..SIDE * SIDE).map(move |n| pixel(band, n / SIDE, n % SIDE))).collect();
    target.write(window, &pixels)?;
    target.complete(&mut |_| true)?.publish(false)?;
    Ok(())
}

/// Value of a band at a pixel.
fn pixel(band: usize, row: u32, col: u32) -> u8 {
    let (y, x) = (f64::from(row), f64::from(col));
    let coast = 55.0 + 14.0 * (y / 17.0).sin() + 5.0 * (y / 5.0).cos();
    // From bare soil (0) to dense green (1).
    let green = 0.5 + 0.5 * (x / 9.0).sin() * (y / 12.0).cos();
    let land = [60.0 - 10.0 * green, 65.0 + 5.0 * green, 85.0 - 45.0 * green, 75.0 + 75.0 * green];
    let water = [75.0, 60.0, 42.0, 14.0];
    let value = if x < coast { water } else { land };
    // Some texture, the same every time.
    let texture = (row.wrapping_mul(7_919) ^ col.wrapping_mul(104_729)) % 7;
    let value = value.get(band).copied().unwrap_or_default() + f64::from(texture);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 14 and 160")]
    let value = value as u8;
    value
}
