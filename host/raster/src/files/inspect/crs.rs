//! Whether two CRS are the same, and what to call one.

use crate::files::gdal::call;
use gdal::spatial_ref::SpatialRef;
use grid::Crs;
use std::ffi::{c_char, c_int};
use std::ptr;

/// From this confidence on, in percent, PROJ takes a CRS for one of its database: the parameters are the same, and the names
/// differ only in spelling.
const SURE: c_int = 90;

/// Whether pixels lie at the same place in both CRS, however the CRS are written: the horizontal parts count, the order of
/// the axes doesn't, and a datum that isn't known is no other datum. None equals none, and a text that PROJ can't read equals
/// only itself.
pub fn same_crs(a: &Crs, b: &Crs) -> bool {
    if a == b {
        return true;
    }
    if a.is_none() || b.is_none() {
        return false;
    }
    let (same, _) = call::watch(|| {
        let (Some(a), Some(b)) = (horizontal(a), horizontal(b)) else { return false };
        is_same(&a, &b) || same_but_for_axes(&a, &b)
    });
    same
}

/// Whether coordinates have to be brought from one CRS to the other: both are known, and they differ.
pub(crate) fn reprojects(from: &Crs, to: &Crs) -> bool {
    !(from.is_none() || to.is_none() || same_crs(from, to))
}

/// The CRS that a user's text means: `EPSG:28355`, another authority's code, WKT or a PROJ string.
///
/// # Errors
/// When PROJ doesn't know it.
pub fn crs_from_user(text: &str) -> Result<Crs, String> {
    let (found, messages) = call::watch(|| SpatialRef::from_definition(text).and_then(|s| s.to_wkt()));
    found
        .map(|wkt| Crs::from(wkt.as_str()))
        .map_err(|e| format!("{text:?} is no CRS: {}", messages.reason(&e.to_string())))
}

/// What to call a CRS in a message: its code, else its name.
pub fn crs_name(crs: &Crs) -> String {
    if crs.is_none() {
        return "no CRS".into();
    }
    let (name, _) = call::watch(|| {
        let whole = SpatialRef::from_wkt(&crs.0).ok()?;
        code(&whole).or_else(|| whole.name().map(|name| format!("{name:?}")))
    });
    name.unwrap_or_else(|| "a CRS that PROJ can't read".into())
}

/// The shortest text for GDAL's programs that means this CRS's horizontal part: its code, a PROJ string, WKT.
pub fn crs_argument(crs: &Crs) -> String {
    let (text, _) = call::watch(|| {
        let plane = horizontal(crs)?;
        let proj = || {
            let text = plane.to_proj4().ok()?.trim().to_owned();
            is_same(&SpatialRef::from_definition(&text).ok()?, &plane).then_some(text)
        };
        code(&plane).or_else(proj).or_else(|| plane.to_wkt().ok())
    });
    text.unwrap_or_else(|| crs.0.to_string())
}

/// The CRS without heights.
fn horizontal(crs: &Crs) -> Option<SpatialRef> {
    let plane = SpatialRef::from_wkt(&crs.0).ok()?;
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the handle is valid and ours alone; both calls change it in place, and a null name keeps its name.
    unsafe {
        gdal_sys::OSRStripVertical(plane.to_c_hsrs());
        gdal_sys::OSRDemoteTo2D(plane.to_c_hsrs(), ptr::null());
    }
    Some(plane)
}

fn is_same(a: &SpatialRef, b: &SpatialRef) -> bool {
    let options: [*const c_char; 3] = [
        c"CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS".as_ptr(),
        c"IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES".as_ptr(),
        ptr::null(),
    ];
    #[expect(unsafe_code, reason = "the gdal crate compares without options")]
    // SAFETY: both handles are valid; the list of texts ends with null and outlives the call, which only reads it.
    unsafe {
        gdal_sys::OSRIsSameEx(a.to_c_hsrs(), b.to_c_hsrs(), options.as_ptr()) != 0
    }
}

/// `EPSG:32633`: what the CRS says itself, else what PROJ takes it for.
fn code(crs: &SpatialRef) -> Option<String> {
    crs.authority().ok().or_else(|| recognised(crs))
}

/// The entry of PROJ's database that this CRS is with [`SURE`] confidence, by its parameters.
fn recognised(crs: &SpatialRef) -> Option<String> {
    let (mut count, mut confidence) = (0, ptr::null_mut());
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the handle is valid, and `count` and `confidence` are set for as many matches as the list has, none included.
    // The first match is cloned; list and numbers are freed once, with the calls that GDAL names for them.
    unsafe {
        let found = gdal_sys::OSRFindMatches(crs.to_c_hsrs(), ptr::null_mut(), &raw mut count, &raw mut confidence);
        let sure = !found.is_null() && count > 0 && !confidence.is_null() && *confidence >= SURE;
        let best = if sure { SpatialRef::from_c_obj(*found).ok() } else { None };
        if !found.is_null() {
            gdal_sys::OSRFreeSRSArray(found);
        }
        gdal_sys::VSIFree(confidence.cast());
        best?.authority().ok()
    }
}

/// Whether projection, ellipsoid and units are the same, and so is the datum, or one of them doesn't know it: a PROJ string that
/// has only the ellipsoid is a spelling, too. PROJ itself takes another order of the axes, as ESRI writes it, for another CRS.
fn same_but_for_axes(a: &SpatialRef, b: &SpatialRef) -> bool {
    let unknown = |crs: &SpatialRef| {
        let datum = crs.get_attr_value("DATUM", 0).ok().flatten().unwrap_or_default().to_lowercase();
        ["unknown", "d_unknown", "not_specified", "not specified"].iter().any(|start| datum.starts_with(start))
    };
    let same_datum = || {
        #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
        // SAFETY: both handles are valid; the call only reads them.
        unsafe {
            gdal_sys::OSRIsSameGeogCS(a.to_c_hsrs(), b.to_c_hsrs()) != 0
        }
    };
    without_datum(a).is_some_and(|a| without_datum(b) == Some(a)) && (unknown(a) || unknown(b) || same_datum())
}

/// The PROJ string's parts but for the datum, of which the ellipsoid remains. A projection that PROJ strings don't have has none.
fn without_datum(crs: &SpatialRef) -> Option<Vec<String>> {
    let text = crs.to_proj4().ok()?;
    let mut parts: Vec<String> = text
        .split_whitespace()
        .filter(|part| !part.starts_with("+towgs84=") && !part.starts_with("+nadgrids="))
        .map(|part| match part {
            "+datum=WGS84" => "+ellps=WGS84".to_owned(),
            "+datum=NAD83" => "+ellps=GRS80".to_owned(),
            "+datum=NAD27" => "+ellps=clrk66".to_owned(),
            _ => part.to_owned(),
        })
        .collect();
    parts.sort();
    (!parts.is_empty()).then_some(parts)
}
