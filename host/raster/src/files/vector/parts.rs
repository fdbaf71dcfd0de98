//! The points, lines and polygons of a geometry, as plain coordinates.

use gdal::vector::{Feature, Geometry};
use gdal_sys::OGRwkbGeometryType as Kind;
use std::ptr;

/// `(x, y)`: map coordinates, or columns and rows of a grid.
pub(crate) type Position = (f64, f64);

/// A piece of a geometry that is burned by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Point(Position),
    Line(Vec<Position>),
    /// Rings, the outer one first.
    Polygon(Vec<Vec<Position>>),
}

/// How curves become lines: the angle of an arc that is replaced by a chord, degrees. An arc with a radius of 20 000 pixels is off by
/// a twentieth of a pixel.
const ARC_STEP: f64 = 0.25;
/// Collections within collections; deeper ones are refused.
const DEEPEST: u32 = 32;

/// The parts of a feature's geometry, curves made straight; none if it has no geometry.
///
/// # Errors
/// When a coordinate isn't a number, or OGR can't make a curve straight.
pub(crate) fn parts(feature: &Feature<'_>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let Some(geometry) = feature.geometry() else { return Ok(parts) };
    #[expect(unsafe_code, reason = "the gdal crate makes a geometry of a null pointer, and straightens no curves")]
    // SAFETY: `geometry` is valid as long as the feature. The straight copy is ours: the wrapper doesn't own it and isn't used
    // after it is freed, once.
    unsafe {
        let handle = geometry.c_geometry();
        if handle.is_null() {
            return Ok(parts);
        }
        if gdal_sys::OGR_G_HasCurveGeometry(handle, 0) == 0 {
            collect(geometry, 0, &mut parts)?;
            return Ok(parts);
        }
        let straight = gdal_sys::OGR_G_GetLinearGeometry(handle, ARC_STEP, ptr::null_mut());
        if straight.is_null() {
            return Err("its curves can't be made straight".into());
        }
        let wrapper = Geometry::lazy_feature_geometry();
        wrapper.set_c_geometry(straight);
        let collected = collect(&wrapper, 0, &mut parts);
        gdal_sys::OGR_G_DestroyGeometry(straight);
        collected?;
    }
    Ok(parts)
}

fn collect(geometry: &Geometry, depth: u32, parts: &mut Vec<Part>) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("its geometry is nested more than {DEEPEST} times"));
    }
    let children = || (0..geometry.geometry_count()).map(|index| geometry.get_geometry(index));
    match gdal::vector::geometry_type_flatten(geometry.geometry_type()) {
        Kind::wkbPoint => parts.extend(positions(geometry)?.into_iter().map(Part::Point)),
        Kind::wkbLineString | Kind::wkbLinearRing => parts.push(Part::Line(positions(geometry)?)),
        Kind::wkbPolygon | Kind::wkbTriangle => {
            parts.push(Part::Polygon(children().map(|ring| positions(&ring)).collect::<Result<_, _>>()?));
        }
        _ => {
            for child in children() {
                collect(&child, depth + 1, parts)?;
            }
        }
    }
    Ok(())
}

fn positions(geometry: &Geometry) -> Result<Vec<Position>, String> {
    let mut points = Vec::new();
    geometry.get_points(&mut points);
    let positions: Vec<_> = points.into_iter().map(|(x, y, _)| (x, y)).collect();
    match positions.iter().find(|(x, y)| !(x.is_finite() && y.is_finite())) {
        Some((x, y)) => Err(format!("it has a point at ({x}, {y})")),
        None => Ok(positions),
    }
}
