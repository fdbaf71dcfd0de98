//! Burns parts of geometries into a window with GDAL's rasteriser.

use crate::files::gdal::{call, pixels};
use crate::files::layout::Layout;
use crate::files::vector::parts::{Part, Position};
use gdal::cpl::CslStringList;
use gdal::vector::Geometry;
use gdal::{Dataset, DriverManager};
use gdal_sys::{GDALDataType, OGRwkbGeometryType as Kind};
use grid::Window;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Vertices that are burned in one call, more or less: GDAL goes through the whole window for each call, and all geometries of a call
/// are in memory as GDAL's own.
const AT_ONCE: usize = 1 << 18;
/// Farthest position that GDAL's whole numbers can be told, pixels from the window.
const FARTHEST: f64 = (1 << 29) as f64;

/// Which feature each pixel of a window belongs to: its number from 1, or 0. `features`: for each its parts in the window's own
/// columns and rows; a later one covers those before it.
pub(crate) fn rasterize(
    (rows, cols): (u32, u32),
    features: &[Vec<Part>],
    all_touched: bool,
) -> Result<Vec<u8>, String> {
    let too_large = || format!("a window of {rows} rows × {cols} columns is too large");
    let side = |n: u32| usize::try_from(n).map_err(|_| too_large());
    let window = Window::new(0, 0, rows, cols);
    let layout = Layout::packed(rows, cols, size_of::<i32>()).ok_or_else(too_large)?;
    let mut canvas = call::watch(|| {
        let driver = DriverManager::get_driver_by_name("MEM")?;
        driver.create_with_band_type::<i32, _>("", side(cols).unwrap_or(0), side(rows).unwrap_or(0), 1)
    })
    .0
    .map_err(|e| e.to_string())?;
    let mut batch = Batch::default();
    for (number, parts) in (1_u32..).zip(features) {
        for part in parts {
            batch.add(part, number)?;
        }
        if batch.vertices >= AT_ONCE {
            std::mem::take(&mut batch).burn(&mut canvas, rows, all_touched)?;
        }
    }
    batch.burn(&mut canvas, rows, all_touched)?;
    let mut out = vec![0; layout.band];
    pixels::read(&canvas, &[1], &window, GDALDataType::GDT_Int32, &mut out, &layout)?;
    Ok(out)
}

/// Geometries to be burned in one call.
#[derive(Default)]
struct Batch {
    geometries: Vec<Geometry>,
    /// What is burned for each.
    numbers: Vec<f64>,
    vertices: usize,
}

impl Batch {
    fn add(&mut self, part: &Part, number: u32) -> Result<(), String> {
        let (wkb, vertices) = wkb(part).ok_or("a geometry has too many points")?;
        // The file's own reader has warned of what is odd about it.
        let (geometry, messages) = call::hear(|| Geometry::from_wkb(&wkb));
        self.geometries.push(geometry.map_err(|e| messages.reason(&e.to_string()))?);
        self.numbers.push(number.into());
        self.vertices = self.vertices.saturating_add(vertices);
        Ok(())
    }

    fn burn(self, canvas: &mut Dataset, rows: u32, all_touched: bool) -> Result<(), String> {
        if self.geometries.is_empty() {
            return Ok(());
        }
        let count = c_int::try_from(self.geometries.len()).map_err(|_| "too many geometries")?;
        let mut options = CslStringList::new();
        // All rows at once: GDAL would count positions anew from the top of each part.
        let settings = [("OPTIM", "RASTER"), ("CHUNKYSIZE", &rows.to_string())];
        for (key, value) in settings.into_iter().chain(all_touched.then_some(("ALL_TOUCHED", "TRUE"))) {
            options.set_name_value(key, value).map_err(|e| e.to_string())?;
        }
        let (result, messages) = call::watch(|| {
            #[expect(unsafe_code, reason = "the gdal crate burns with no transformer of one's own")]
            // SAFETY: the dataset has band 1; the handles are those of `geometries`, as many as `numbers`, and are alive; the
            // options outlive the call; the transformer needs no argument, and no progress is asked for.
            unsafe {
                let handles: Vec<_> = self.geometries.iter().map(|geometry| geometry.c_geometry()).collect();
                gdal_sys::GDALRasterizeGeometries(
                    canvas.c_dataset(),
                    1,
                    [1].as_ptr(),
                    count,
                    handles.as_ptr(),
                    Some(upside_down),
                    ptr::null_mut(),
                    self.numbers.as_ptr(),
                    options.as_ptr(),
                    None,
                    ptr::null_mut(),
                )
            }
        });
        messages.outcome(result)
    }
}

/// A GDAL transformer. The geometries have rows that grow upwards, as on a map, since GDAL tells a ring's direction by them.
#[expect(unsafe_code, reason = "GDAL calls it")]
unsafe extern "C" fn upside_down(
    _: *mut c_void,
    _: c_int,
    count: c_int,
    _: *mut f64,
    y: *mut f64,
    _: *mut f64,
    success: *mut c_int,
) -> c_int {
    for n in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: GDAL passes arrays of `count` items.
        unsafe {
            *y.add(n) = -*y.add(n);
            *success.add(n) = 1;
        }
    }
    1
}

/// A part as WKB, rows upwards, and how many vertices it has. `None` if that is more than WKB can count.
fn wkb(part: &Part) -> Option<(Vec<u8>, usize)> {
    let mut bytes = vec![1];
    let mut vertices = 0;
    let put = |line: &[Position], bytes: &mut Vec<u8>| {
        for &(x, y) in line {
            for n in [x, -y] {
                bytes.extend_from_slice(&n.clamp(-FARTHEST, FARTHEST).to_le_bytes());
            }
        }
        line.len()
    };
    let count = |n: usize| Some(u32::try_from(n).ok()?.to_le_bytes());
    match part {
        Part::Point(position) => {
            bytes.extend(Kind::wkbPoint.to_le_bytes());
            vertices += put(&[*position], &mut bytes);
        }
        Part::Line(line) => {
            bytes.extend(Kind::wkbLineString.to_le_bytes());
            bytes.extend(count(line.len())?);
            vertices += put(line, &mut bytes);
        }
        Part::Polygon(rings) => {
            bytes.extend(Kind::wkbPolygon.to_le_bytes());
            bytes.extend(count(rings.len())?);
            for ring in rings {
                bytes.extend(count(ring.len())?);
                vertices += put(ring, &mut bytes);
            }
        }
    }
    c_int::try_from(bytes.len()).is_ok().then_some((bytes, vertices))
}
