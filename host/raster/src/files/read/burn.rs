//! Reading tiles of a vector file: its features are burned into each tile as it is read, so that no raster of the whole grid is needed.

use crate::files::fill::{fill, pixel_bytes};
use crate::files::gdal::call;
use crate::files::inspect::crs::reprojects;
use crate::files::layout::{Layout, buffer_len};
use crate::files::read::halo::read_with_edge;
use crate::files::read::place::{Counted, Place};
use crate::files::vector::area::oriented;
use crate::files::vector::layer::{self, Number};
use crate::files::vector::parts::{Part, parts};
use crate::files::vector::rasterize::rasterize;
use crate::files::vector::to_grid::{OFF, OFF_FOR_AREAS, ToGrid};
use crate::files::vector::trim::trim;
use crate::{Burn, BurnSpec, Error, Found, burned_bits};
use gdal::spatial_ref::{AxisMappingStrategy, SpatialRef};
use gdal::vector::{LayerAccess, LayerCaps, OwnedLayer};
use grid::{Bounds, Turn, Window};
use tilefn_abi::DType;

/// An open layer of a vector file. Each thread opens its own.
#[derive(Debug)]
pub struct Burner {
    spec: BurnSpec,
    layer: OwnedLayer,
    to_grid: ToGrid,
    value: Value,
    /// Whether areas are measured: for polygons alone.
    areas: bool,
    /// Whether a spatial index gives the features, in an order of its own.
    indexed: bool,
}

/// Where a feature's value comes from.
#[derive(Clone, Copy, Debug)]
enum Value {
    Bits(u64),
    Of(Number),
}

/// What a layer has, for the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// How many features the filter leaves; none if nobody knows without reading the file.
    pub features: Option<u64>,
    /// The window of the grid, and beyond it, that the layer's extent covers, whatever the filter leaves. None if there are no
    /// features, or the extent can't be told on this grid.
    pub extent: Option<Window>,
    /// Why a feature's value can't be burned, for the first such feature.
    pub misfit: Option<String>,
}

/// A feature that reaches a window.
pub(crate) struct Feature {
    fid: u64,
    /// What is burned: the ABI bits, for the band's type, or why that can't be.
    pub(crate) bits: Result<u64, String>,
    /// In the window's own columns and rows.
    pub(crate) parts: Vec<Part>,
}

impl Burner {
    /// Opens the file.
    ///
    /// # Errors
    /// When GDAL can't open it, it has changed, its filter is wrong, or PROJ knows no way to the grid's CRS.
    pub fn open(spec: &BurnSpec) -> Result<Self, Error> {
        Self::open_for(spec, false)
    }

    /// Opens the file to measure areas.
    pub(crate) fn open_for_areas(spec: &BurnSpec) -> Result<Self, Error> {
        Self::open_for(spec, true)
    }

    fn open_for(spec: &BurnSpec, areas: bool) -> Result<Self, Error> {
        let layer = layer::layer(&spec.path, &spec.layer, spec.filter.as_deref())?;
        let value = match &spec.burn {
            Burn::Value(bits) => Value::Bits(*bits),
            Burn::Attribute(name) => Value::Of(Number::find(&layer, name).ok_or_else(|| Error::Shape {
                path: spec.path.clone(),
                reason: format!("there is no numeric attribute {name:?} any more: the file has changed"),
            })?),
        };
        let off = if areas { OFF_FOR_AREAS } else { OFF };
        let to_grid =
            to_grid(&layer, spec, off).map_err(|reason| Error::Unsupported { path: spec.path.clone(), reason })?;
        let (indexed, _) = call::watch(|| layer.has_capability(LayerCaps::OLCFastSpatialFilter));
        Ok(Self { spec: spec.clone(), layer, to_grid, value, areas, indexed })
    }

    /// What is being read.
    pub const fn spec(&self) -> &BurnSpec {
        &self.spec
    }

    /// Burns the features into a window of the working grid (a tile with its halo): `out` is `[rows, cols]` of the wanted type, in
    /// memory order, of any alignment.
    ///
    /// # Errors
    /// [`Error::Burn`] when features can't be read or brought onto the grid, or a value doesn't fit the band's type;
    /// [`Error::Shape`] when `out` has another size than the window.
    pub fn read(&mut self, window: Window, out: &mut [u8]) -> Result<Found, Error> {
        let pixel = self.spec.dtype.size();
        let shape = |reason| Error::Shape { path: self.spec.path.clone(), reason };
        if window.is_empty() || buffer_len(1, &window, pixel) != Some(out.len()) {
            return Err(shape(format!("{} bytes for {window}", out.len())));
        }
        let data = self.spec.data();
        let how = (self.spec.edge, self.spec.halo);
        let too_large = shape(format!("a window of {window} is too large"));
        let read = |window: &Window, core: &Window, out: &mut [u8]| self.burn(window, core, out);
        read_with_edge(how, &window, &data, (1, pixel), out, read).unwrap_or(Err(too_large))
    }

    /// Looks at the layer: at all features if `scan`, else at what the file says of itself.
    ///
    /// # Errors
    /// [`Error::Burn`] when features can't be read.
    pub fn look(&mut self, scan: bool) -> Result<Selection, Error> {
        self.layer.clear_spatial_filter();
        self.layer.reset_feature_reading();
        let (_, messages) = call::hear(|| self.layer.features().next().is_some());
        if let (Some(filter), Some(reason)) = (&self.spec.filter, messages.failure()) {
            return Err(Error::Filter { path: self.spec.path.clone(), filter: filter.clone(), reason });
        }
        let (selection, messages) = call::hear(|| {
            let features = if scan { Some(self.layer.feature_count()) } else { self.layer.try_feature_count() };
            let bounds = self.layer.get_extent().ok().map(|e| Bounds {
                x_min: e.MinX,
                y_min: e.MinY,
                x_max: e.MaxX,
                y_max: e.MaxY,
            });
            let misfit = if scan { self.misfit() } else { None };
            Selection { features, extent: bounds.and_then(|bounds| self.to_grid.window(&bounds)), misfit }
        });
        let is_empty = selection.features == Some(0);
        // An empty layer has no extent, which some drivers call a failure.
        match messages.failure().filter(|_| !is_empty) {
            Some(reason) => Err(Error::Burn { path: self.spec.path.clone(), window: self.spec.grid.window(), reason }),
            None => Ok(selection),
        }
    }

    /// The first feature whose value the band's type can't hold.
    fn misfit(&mut self) -> Option<String> {
        let Value::Of(number) = self.value else { return None };
        let dtype = self.spec.band.dtype;
        if matches!(
            (number, dtype),
            (Number::Integer(_) | Number::Fid, DType::Int64) | (Number::Real(_), DType::Float64)
        ) {
            return None;
        }
        layer::without_geometry(&self.layer, true);
        self.layer.reset_feature_reading();
        let misfit = self.layer.features().find_map(|feature| {
            let reason = burned_bits(number.of(&feature)?, dtype).err()?;
            Some(format!("feature {}: {reason}", feature.fid().unwrap_or_default()))
        });
        layer::without_geometry(&self.layer, false);
        misfit
    }

    fn burn(&mut self, window: &Window, core: &Window, out: &mut [u8]) -> Result<Found, Error> {
        let band = self.spec.band;
        let packed = |dtype: DType| {
            Layout::packed(window.rows, window.cols, dtype.size())
                .ok_or_else(|| self.failed(window, format!("a window of {window} is too large")))
        };
        let (own, layout) = (packed(band.dtype)?, packed(self.spec.dtype)?);
        let mut from = vec![0; own.band];
        fill(&mut from, band.nodata.unwrap_or_default(), band.dtype);
        let features = self.near(window)?;
        let pieces = if self.spec.all_touched { blocks(window) } else { vec![*window] };
        for piece in pieces {
            self.burn_piece(&features, &piece, window, &own, &mut from)
                .map_err(|reason| self.failed(window, reason))?;
        }
        let counted = Counted::of(window, core, Turn::default());
        let place = Place { window, layout: &layout, dtype: self.spec.dtype, counted: &counted, whole: true };
        let mut found = Found::default();
        place.put((0, &band), &from, None, out, &mut found);
        Ok(found)
    }

    /// The features that reach a window, in the file's order.
    pub(crate) fn near(&mut self, window: &Window) -> Result<Vec<Feature>, Error> {
        let mut read = |all| {
            let (found, messages) = call::hear(|| self.features(window, all));
            found.and_then(|features| messages.failure().map_or(Ok(features), Err))
        };
        let features = match read(false) {
            // OGR's filter asks GEOS about a polygon, which refuses one with a ring that is open or too short. GDAL burns it.
            Err(reason) if reason.contains("Exception: ") => read(true),
            found => found,
        };
        features.map_err(|reason| self.failed(window, reason))
    }

    pub(crate) fn failed(&self, window: &Window, reason: String) -> Error {
        Error::Burn { path: self.spec.path.clone(), window: *window, reason }
    }

    /// Burns the features into a piece, and puts those of its pixels that belong to `window` into `out`, which has the band's type.
    fn burn_piece(
        &self,
        features: &[Feature],
        piece: &Window,
        window: &Window,
        layout: &Layout,
        out: &mut [u8],
    ) -> Result<(), String> {
        let (Some(shared), Some(own)) = (piece.intersection(window), piece.relative_to(window.row, window.col)) else {
            return Ok(());
        };
        let (mut values, mut all_parts) = (Vec::new(), Vec::new());
        for feature in features {
            let mut parts = Vec::new();
            feature.parts.iter().for_each(|part| trim(part, &own, &mut parts));
            if !parts.is_empty() {
                all_parts.push(parts);
                values.push(feature.bits.as_ref().map(|bits| pixel_bytes(*bits, self.spec.band.dtype)));
            }
        }
        if all_parts.is_empty() {
            return Ok(());
        }
        let numbers = rasterize((piece.rows, piece.cols), &all_parts, self.spec.all_touched)?;
        let offset = |at: i64, from: i64| usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX);
        let side = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let from = numbers.as_chunks::<4>().0.chunks_exact(side(piece.cols).max(1)).skip(offset(shared.row, piece.row));
        let to = out.chunks_exact_mut(layout.line.max(1)).skip(offset(shared.row, window.row));
        for (from, to) in from.zip(to).take(side(shared.rows)) {
            let from = from.iter().skip(offset(shared.col, piece.col)).take(side(shared.cols));
            let to = to.chunks_exact_mut(layout.pixel).skip(offset(shared.col, window.col));
            for (number, to) in from.zip(to) {
                // Numbers begin with 1: 0 belongs to no feature.
                let index = usize::try_from(i32::from_le_bytes(*number)).ok().and_then(|number| number.checked_sub(1));
                let Some(value) = index.and_then(|index| values.get(index)) else { continue };
                if let Some(value) = value.as_ref().map_err(|reason| (*reason).clone())?.get(..layout.pixel) {
                    to.copy_from_slice(value);
                }
            }
        }
        Ok(())
    }

    /// The features that reach a window, in the file's order. `all`: looks at all features, not only at those that OGR's spatial
    /// filter finds.
    fn features(&mut self, window: &Window, all: bool) -> Result<Vec<Feature>, String> {
        // GDAL burns the pixels that an edge touches at their borders, too.
        let near = window.padded(2).unwrap_or(*window);
        match self.to_grid.bounds(&near).filter(|_| !all) {
            Some(bounds) => {
                self.layer.set_spatial_filter_rect(bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max);
            }
            None => self.layer.clear_spatial_filter(),
        }
        self.layer.reset_feature_reading();
        let (to_grid, value, areas, dtype) = (&self.to_grid, self.value, self.areas, self.spec.band.dtype);
        let mut features = Vec::new();
        for feature in self.layer.features() {
            let fid = feature.fid().unwrap_or_default();
            let named = |reason: String| format!("feature {fid}: {reason}");
            let mut trimmed = Vec::new();
            for part in parts(&feature).map_err(named)? {
                let part = if areas { oriented(part).map_err(named)? } else { part };
                let near = to_grid.part(part).map_err(named)?;
                near.iter().for_each(|part| trim(part, window, &mut trimmed));
            }
            if trimmed.is_empty() {
                continue;
            }
            let bits = match value {
                Value::Bits(bits) => Ok(bits),
                Value::Of(number) => match number.of(&feature) {
                    Some(value) => burned_bits(value, dtype).map_err(named),
                    None => continue,
                },
            };
            features.push(Feature { fid, bits, parts: trimmed });
        }
        if self.indexed {
            features.sort_by_key(|feature| feature.fid);
        }
        Ok(features)
    }
}

/// Rows and columns of a piece in which all pixels that a feature touches are burned. Tiles of files in strips have few rows.
const BLOCK: (u32, u32) = (64, 256);

/// The pieces of the grid that a window has pixels of, the same for all windows. Where an edge passes exactly through a pixel's
/// corner, GDAL's rounding errors decide whether the pixel is touched, and they depend on where the edge is cut off.
fn blocks(window: &Window) -> Vec<Window> {
    let starts = |from: i64, end: i64, block: u32| {
        let block = i64::from(block);
        let first = from.div_euclid(block).saturating_mul(block);
        (0..).map(move |n| first.saturating_add(block.saturating_mul(n))).take_while(move |at| *at < end)
    };
    let rows = starts(window.row, window.row_end(), BLOCK.0);
    let of_row =
        |row| starts(window.col, window.col_end(), BLOCK.1).map(move |col| Window::new(row, col, BLOCK.0, BLOCK.1));
    rows.flat_map(of_row).collect()
}

/// The way from the layer to the grid. `off`: how far a bent edge may be off, pixels.
fn to_grid(layer: &OwnedLayer, spec: &BurnSpec, off: f64) -> Result<ToGrid, String> {
    let own = layer.spatial_ref();
    let reprojects = reprojects(&spec.crs, &spec.grid.crs);
    let given = || -> Result<SpatialRef, String> {
        let mut crs = SpatialRef::from_wkt(&spec.crs.0).map_err(|e| e.to_string())?;
        crs.set_axis_mapping_strategy(AxisMappingStrategy::TraditionalGisOrder);
        Ok(crs)
    };
    let from = match (reprojects, own) {
        (false, _) => None,
        // The layer's own knows in which order its coordinates are.
        (true, Some(own)) => Some(own),
        (true, None) => Some(given()?),
    };
    ToGrid::new(from.as_ref(), &spec.grid, spec.halo, off)
}
