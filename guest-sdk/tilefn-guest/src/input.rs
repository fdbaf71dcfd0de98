//! What a function can take as an input.

use alloc::vec::Vec;

use tilefn_abi::DType;

use crate::{AnyTile, Element, Error, RawRaster, Tile, with_dtype};

/// An argument that is an input: [`Tile<T>`], [`AnyTile`], a `Vec` of them for a list of files, an `Option` for an
/// input that the job may leave out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an input of a tile function",
    label = "not an input type",
    note = "an input is a `Tile<T>` or `AnyTile`, a `Vec` of them for a list of files, or an `Option` for one that may be left out",
    note = "a parameter needs `#[param]` in front of it"
)]
pub trait Input: Sized {
    /// The pixel type that the host converts to; none for the file's own.
    const DTYPE: Option<DType>;
    /// Whether it takes a list of files.
    const LIST: bool = false;
    /// Whether the job may leave it out.
    const OPTIONAL: bool = false;

    #[doc(hidden)]
    fn from_rasters(rasters: &[RawRaster]) -> Result<Self, Error>;
}

/// An input of a single raster.
pub trait Raster: Sized {
    #[doc(hidden)]
    const DTYPE: Option<DType>;

    #[doc(hidden)]
    fn from_raster(raster: &RawRaster) -> Result<Self, Error>;
}

impl<T: Element> Raster for Tile<T> {
    const DTYPE: Option<DType> = Some(T::DTYPE);

    fn from_raster(raster: &RawRaster) -> Result<Self, Error> {
        raster.tile()
    }
}

impl Raster for AnyTile {
    const DTYPE: Option<DType> = None;

    fn from_raster(raster: &RawRaster) -> Result<Self, Error> {
        with_dtype!(raster.dtype()?, |T| raster.tile::<T>().map(Self::from))
    }
}

impl<R: Raster> Input for R {
    const DTYPE: Option<DType> = R::DTYPE;

    fn from_rasters(rasters: &[RawRaster]) -> Result<Self, Error> {
        match rasters {
            [raster] => R::from_raster(raster),
            _ => Err(alloc::format!("the function takes one file, the host passed {}", rasters.len()).into()),
        }
    }
}

impl<R: Raster> Input for Vec<R> {
    const DTYPE: Option<DType> = R::DTYPE;
    const LIST: bool = true;

    fn from_rasters(rasters: &[RawRaster]) -> Result<Self, Error> {
        rasters.iter().map(R::from_raster).collect()
    }
}

impl<R: Raster> Input for Option<R> {
    const DTYPE: Option<DType> = R::DTYPE;
    const OPTIONAL: bool = true;

    fn from_rasters(rasters: &[RawRaster]) -> Result<Self, Error> {
        if rasters.is_empty() { Ok(None) } else { R::from_rasters(rasters).map(Some) }
    }
}
