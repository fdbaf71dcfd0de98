//! Element types: GDAL's and ours.

use gdal::raster::RasterBand;
use gdal_sys::GDALDataType;
use std::ffi::{CStr, CString};
use std::sync::LazyLock;
use tilefn_abi::DType;

/// `GDT_Int8`, which GDAL has from 3.7 on. Before, it is a `Byte` band with `PIXELTYPE=SIGNEDBYTE`.
pub(crate) const GDT_INT8: GDALDataType::Type = 14;

static HAS_INT8: LazyLock<bool> =
    LazyLock::new(|| gdal::version::VersionInfo::version_num().parse().is_ok_and(|v: u32| v >= 3_070_000));

/// Whether the GDAL that runs has a signed 8-bit type.
pub(crate) fn has_int8() -> bool {
    *HAS_INT8
}

/// GDAL's number for a type; for int8, `GDT_Byte` where GDAL has no own type.
pub(crate) fn to_gdal(dtype: DType) -> GDALDataType::Type {
    match dtype {
        DType::UInt8 => GDALDataType::GDT_Byte,
        DType::Int8 if has_int8() => GDT_INT8,
        DType::Int8 => GDALDataType::GDT_Byte,
        DType::UInt16 => GDALDataType::GDT_UInt16,
        DType::Int16 => GDALDataType::GDT_Int16,
        DType::UInt32 => GDALDataType::GDT_UInt32,
        DType::Int32 => GDALDataType::GDT_Int32,
        DType::UInt64 => GDALDataType::GDT_UInt64,
        DType::Int64 => GDALDataType::GDT_Int64,
        DType::Float32 => GDALDataType::GDT_Float32,
        DType::Float64 => GDALDataType::GDT_Float64,
    }
}

/// Our type for GDAL's number, if there is one. `signed_byte` is whether the band says `PIXELTYPE=SIGNEDBYTE`.
pub(crate) fn from_gdal(number: GDALDataType::Type, signed_byte: bool) -> Option<DType> {
    match number {
        GDALDataType::GDT_Byte if signed_byte => Some(DType::Int8),
        GDALDataType::GDT_Byte => Some(DType::UInt8),
        // `to_gdal` gives int8 the same number as uint8 in an old GDAL.
        _ => DType::ALL
            .into_iter()
            .find(|d| *d != DType::Int8 && to_gdal(*d) == number)
            .or_else(|| (number == GDT_INT8).then_some(DType::Int8)),
    }
}

/// GDAL's name of a type.
pub(crate) fn name(number: GDALDataType::Type) -> String {
    #[expect(unsafe_code, reason = "the gdal crate knows no complex types")]
    // SAFETY: GDAL returns null or a static text with a closing zero.
    unsafe {
        let name = gdal_sys::GDALGetDataTypeName(number);
        if name.is_null() { format!("number {number}") } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// GDAL's number for a band's type, which may be none of ours.
pub(crate) fn of_band(band: &RasterBand) -> GDALDataType::Type {
    #[expect(unsafe_code, reason = "the gdal crate knows no type beyond those it was built with")]
    // SAFETY: the handle is valid as long as `band` is.
    unsafe {
        gdal_sys::GDALGetRasterDataType(band.c_rasterband())
    }
}

/// Bytes of a pixel of one of GDAL's types, complex ones included.
pub(crate) fn size(number: GDALDataType::Type) -> u64 {
    #[expect(unsafe_code, reason = "the gdal crate knows no complex types")]
    // SAFETY: takes a number by value; one that is no type has the size 0.
    let size = unsafe { gdal_sys::GDALGetDataTypeSizeBytes(number) };
    u64::try_from(size).unwrap_or(0)
}

/// GDAL's number for a type's name; `None` if there is none of this name.
pub(crate) fn by_name(name: &str) -> Option<GDALDataType::Type> {
    let name = CString::new(name).ok()?;
    #[expect(unsafe_code, reason = "the gdal crate has no call for it")]
    // SAFETY: the name has a closing zero.
    let number = unsafe { gdal_sys::GDALGetDataTypeByName(name.as_ptr()) };
    (number != GDALDataType::GDT_Unknown).then_some(number)
}
