//! Reading tiles of a vector file as areas: which features touch each pixel, and how much of it each covers.

use crate::files::layout::{Layout, buffer_len};
use crate::files::read::burn::{Burner, Feature};
use crate::files::read::halo::read_with_edge;
use crate::files::read::place::{Counted, Place};
use crate::files::vector::area::{Areas, tidy};
use crate::files::vector::parts::Part;
use crate::files::vector::trim::trim;
use crate::{CoverageSpec, Error, Found};
use grid::{Turn, Window};
use std::collections::BTreeSet;

/// An open layer of polygons. Each thread opens its own.
#[derive(Debug)]
pub struct Coverage {
    spec: CoverageSpec,
    burner: Burner,
}

/// What touches the pixels of a window. A pixel with several values has each in another layer, from the first one on.
struct Layers {
    all: Vec<Layer>,
    /// Pixels of the window.
    pixels: usize,
    /// The value where there is none.
    nodata: f64,
    /// Most layers.
    limit: usize,
}

/// A value for each pixel.
struct Layer {
    values: Vec<f64>,
    /// The part of the pixel that it covers; 0 where there is no value.
    parts: Vec<f64>,
}

/// A feature's value and parts, in a window's own columns and rows.
type Valued = (f64, Vec<Part>);

/// Most values that may meet in one pixel.
const MOST: usize = 1024;
/// Rows and columns of the pieces in which planning counts values: those for which features are read, and those with layers.
const PIECES: (u32, u32) = (4096, 32);
/// A part of a pixel that rounding may have added or taken away.
const ROUNDING: f64 = 1e-6;

impl Coverage {
    /// Opens the file.
    ///
    /// # Errors
    /// As [`Burner::open`].
    pub fn open(spec: &CoverageSpec) -> Result<Self, Error> {
        Ok(Self { spec: spec.clone(), burner: Burner::open_for_areas(&spec.burn)? })
    }

    /// What is being read.
    pub const fn spec(&self) -> &CoverageSpec {
        &self.spec
    }

    /// Reads a window of the working grid (a tile with its halo): `out` is `[bands, rows, cols]` of the wanted type, in memory order,
    /// of any alignment. The first half of the bands has values, the second half the parts of the pixels that they cover.
    ///
    /// # Errors
    /// As [`Burner::read`]; also when a feature is no polygon, or more values meet in a pixel than planning has found.
    pub fn read(&mut self, window: Window, out: &mut [u8]) -> Result<Found, Error> {
        let (bands, pixel) = (self.spec.bands(), self.spec.burn.dtype.size());
        let shape = |reason| Error::Shape { path: self.spec.burn.path.clone(), reason };
        if window.is_empty() || buffer_len(bands, &window, pixel) != Some(out.len()) {
            return Err(shape(format!("{} bytes for {bands} bands of {window}", out.len())));
        }
        let data = self.spec.burn.data();
        let how = (self.spec.burn.edge, self.spec.burn.halo);
        let too_large = shape(format!("a window of {window} is too large"));
        let read = |window: &Window, core: &Window, out: &mut [u8]| self.put(window, core, out);
        read_with_edge(how, &window, &data, (bands, pixel), out, read).unwrap_or(Err(too_large))
    }

    /// The most values that meet in a pixel of the grid or of its halo.
    ///
    /// # Errors
    /// As for [`read`](Self::read), for any window. Also if the values are more than there may be.
    pub fn most(&mut self) -> Result<u32, Error> {
        let burn = &self.spec.burn;
        let near = burn.grid.window().padded(burn.halo);
        let Some(near) = near.and_then(|near| burn.extent.map_or(Some(near), |extent| extent.intersection(&near)))
        else {
            return Ok(0);
        };
        let mut most = 0;
        for piece in pieces(&near) {
            let features = self.burner.near(&piece)?;
            let counted = valued(features).and_then(|features| count(features, (piece.rows, piece.cols), &mut most));
            counted.map_err(|reason| self.burner.failed(&piece, reason))?;
        }
        Ok(u32::try_from(most).unwrap_or(u32::MAX))
    }

    fn put(&mut self, window: &Window, core: &Window, out: &mut [u8]) -> Result<Found, Error> {
        let features = self.burner.near(window)?;
        let burn = &self.spec.burn;
        let too_large = || self.burner.failed(window, format!("a window of {window} is too large"));
        let layout = Layout::packed(window.rows, window.cols, burn.dtype.size()).ok_or_else(too_large)?;
        let most = usize::try_from(self.spec.most).map_err(|_| too_large())?;
        let nodata = burn.band.nodata.map_or(f64::NAN, f64::from_bits);
        let layers = valued(features).and_then(|features| {
            let layers = Layers::of(&features, (window.rows, window.cols), nodata, most);
            layers.ok_or_else(|| "more features meet in a pixel than there were: the file has changed".into())
        });
        let layers = layers.map_err(|reason| self.burner.failed(window, reason))?;
        let counted = Counted::of(window, core, Turn::default());
        let place = Place { window, layout: &layout, dtype: burn.dtype, counted: &counted, whole: true };
        let mut found = Found::default();
        let nothing = layers.empty();
        let layers = layers.all.iter().chain(std::iter::repeat(&nothing));
        let Some((values, parts)) = out.split_at_mut_checked(most.saturating_mul(layout.band)) else {
            return Err(too_large());
        };
        let bands = values.chunks_exact_mut(layout.band).zip(parts.chunks_exact_mut(layout.band));
        for (index, (layer, (values, parts))) in layers.zip(bands).enumerate() {
            let part_band = self.spec.part_band();
            place.put((index, &burn.band), bytemuck::cast_slice(&layer.values), None, values, &mut found);
            place.put((most + index, &part_band), bytemuck::cast_slice(&layer.parts), None, parts, &mut found);
        }
        Ok(found)
    }
}

impl Layers {
    /// What the features, in their order, cover of a window. `None` if more than `limit` values meet in a pixel.
    fn of(features: &[Valued], (rows, cols): (u32, u32), nodata: f64, limit: usize) -> Option<Self> {
        let side = |n: u32| usize::try_from(n).ok();
        let mut layers = Self { all: Vec::new(), pixels: side(rows)?.checked_mul(side(cols)?)?, nodata, limit };
        for (value, parts) in features {
            for part in parts {
                let Part::Polygon(rings) = part else { continue };
                let Some(areas) = Areas::of(rings, (rows, cols)) else { continue };
                areas.pixels(side(cols)?).try_for_each(|(pixel, part)| layers.add(pixel, *value, part))?;
            }
        }
        Some(layers)
    }

    fn empty(&self) -> Layer {
        Layer { values: vec![self.nodata; self.pixels], parts: vec![0.0; self.pixels] }
    }

    /// Adds a part of a pixel. `None` if it has the most values already.
    fn add(&mut self, pixel: usize, value: f64, part: f64) -> Option<()> {
        for layer in &mut self.all {
            let (own, so_far) = (layer.values.get_mut(pixel)?, layer.parts.get_mut(pixel)?);
            if *so_far == 0.0 || own.to_bits() == value.to_bits() {
                (*own, *so_far) = (value, tidy(*so_far + part));
                return Some(());
            }
        }
        if self.all.len() < self.limit {
            let mut layer = self.empty();
            *layer.values.get_mut(pixel)? = value;
            *layer.parts.get_mut(pixel)? = part;
            self.all.push(layer);
            return Some(());
        }
        // Planning counts in other windows, where rounding may have left nothing of a tiny part.
        if part < ROUNDING {
            return Some(());
        }
        let tiny = self.all.iter_mut().find(|layer| layer.parts.get(pixel).is_some_and(|part| *part < ROUNDING))?;
        *tiny.values.get_mut(pixel)? = value;
        *tiny.parts.get_mut(pixel)? = part;
        Some(())
    }
}

/// The features with their values.
///
/// # Errors
/// Says why a value can't be a float64.
fn valued(features: Vec<Feature>) -> Result<Vec<Valued>, String> {
    // -0 is 0.
    features.into_iter().map(|feature| Ok((f64::from_bits(feature.bits?) + 0.0, feature.parts))).collect()
}

/// Raises `most` to the most values that meet in a pixel of a window.
///
/// # Errors
/// When they are more than there may be.
fn count(features: Vec<Valued>, (rows, cols): (u32, u32), most: &mut usize) -> Result<(), String> {
    let values: BTreeSet<u64> = features.iter().map(|(value, _)| value.to_bits()).collect();
    if values.len() <= *most {
        return Ok(());
    }
    if rows <= PIECES.1 && cols <= PIECES.1 {
        let layers = Layers::of(&features, (rows, cols), f64::NAN, MOST);
        let layers = layers.ok_or_else(|| format!("more than {MOST} values meet in a pixel"))?;
        *most = layers.all.len().max(*most);
        return Ok(());
    }
    let halves = if rows > cols {
        [Window::new(0, 0, rows / 2, cols), Window::new((rows / 2).into(), 0, rows - rows / 2, cols)]
    } else {
        [Window::new(0, 0, rows, cols / 2), Window::new(0, (cols / 2).into(), rows, cols - cols / 2)]
    };
    for half in halves {
        let within = features.iter().filter_map(|(value, parts)| {
            let mut kept = Vec::new();
            parts.iter().for_each(|part| trim(part, &half, &mut kept));
            (!kept.is_empty()).then_some((*value, kept))
        });
        count(within.collect(), (half.rows, half.cols), most)?;
    }
    Ok(())
}

/// The pieces of a window for which planning reads features.
fn pieces(window: &Window) -> impl Iterator<Item = Window> {
    let size = PIECES.0;
    let starts = |first: i64, end: i64| (0..).map(move |n| first + n * i64::from(size)).take_while(move |at| *at < end);
    let (window, cols) = (*window, starts(window.col, window.col_end()));
    starts(window.row, window.row_end())
        .flat_map(move |row| cols.clone().map(move |col| (row, col)))
        .filter_map(move |(row, col)| Window::new(row, col, size, size).intersection(&window))
}
