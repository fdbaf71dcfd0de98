//! What a function can return.

use alloc::{vec, vec::Vec};

use tilefn_abi::DType;

use crate::{
    AnyTile, Element, Error, Reduce, Reduced, Tile, TileResult,
    describe::{OutputDescription, Value},
    reduce,
};

/// A single output: [`Tile<T>`], [`AnyTile`], or a `Vec` of them for a list of files.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an output of a tile function",
    label = "not an output type",
    note = "an output is a `Tile<T>` or `AnyTile`, or a `Vec` of them for a list of files"
)]
pub trait Output: Sized {
    /// The pixel type; none for that of the first input of any type.
    const DTYPE: Option<DType>;
    /// Whether it is a list of files.
    const LIST: bool;

    /// The tiles, one for each file.
    fn into_tiles(self) -> Vec<AnyTile>;

    #[doc(hidden)]
    fn describe(name: &'static str, doc: &'static str, nodata: Option<Value>) -> OutputDescription {
        let dtype = Self::DTYPE.map_or("any", |dtype| dtype.name());
        OutputDescription { name, dtype, list: Self::LIST, nodata, doc }
    }
}

impl<T: Element> Output for Tile<T> {
    const DTYPE: Option<DType> = Some(T::DTYPE);
    const LIST: bool = false;

    fn into_tiles(self) -> Vec<AnyTile> {
        vec![self.into()]
    }
}

impl<T: Element> Output for Vec<Tile<T>> {
    const DTYPE: Option<DType> = Some(T::DTYPE);
    const LIST: bool = true;

    fn into_tiles(self) -> Vec<AnyTile> {
        self.into_iter().map(AnyTile::from).collect()
    }
}

impl Output for AnyTile {
    const DTYPE: Option<DType> = None;
    const LIST: bool = false;

    fn into_tiles(self) -> Vec<AnyTile> {
        vec![self]
    }
}

impl Output for Vec<AnyTile> {
    const DTYPE: Option<DType> = None;
    const LIST: bool = true;

    fn into_tiles(self) -> Vec<AnyTile> {
        self
    }
}

/// All outputs of a function: a single [`Output`], named like the function, or a struct with `#[derive(Outputs)]`.
///
/// ```
/// use tilefn_guest::prelude::*;
///
/// #[derive(Outputs)]
/// struct Terrain {
///     /// Steepness in degrees.
///     slope: Tile<f32>,
///     #[output(nodata = 255)]
///     class: Tile<u8>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a tile function can't return `{Self}`",
    label = "not outputs",
    note = "it returns a `Tile<T>` or `AnyTile`, a `Vec` of them for a list of files, a struct with `#[derive(Outputs)]` for several outputs, `Reduced<T>`, or a tuple `(outputs, Reduced<T>)`; each may be in a `Result<_, Error>`"
)]
pub trait Outputs: Sized {
    #[doc(hidden)]
    fn describe(function: &'static str) -> Vec<OutputDescription>;

    #[doc(hidden)]
    fn into_outputs(self) -> Vec<Vec<AnyTile>>;
}

impl<O: Output> Outputs for O {
    fn describe(function: &'static str) -> Vec<OutputDescription> {
        vec![O::describe(function, "", None)]
    }

    fn into_outputs(self) -> Vec<Vec<AnyTile>> {
        vec![self.into_tiles()]
    }
}

/// What a function returns: [`Outputs`], [`Reduced`], both, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a tile function can't return `{Self}`",
    label = "not a result type",
    note = "it returns a `Tile<T>` or `AnyTile`, a `Vec` of them for a list of files, a struct with `#[derive(Outputs)]` for several outputs, `Reduced<T>`, or a tuple `(outputs, Reduced<T>)`; each may be in a `Result<_, Error>`",
    note = "the `T` of `Reduced<T>` needs `impl Reduce`"
)]
pub trait Returned: Sized {
    /// Whether it accumulates.
    const REDUCES: bool;
    /// What it accumulates; `()` if nothing.
    type State;

    #[doc(hidden)]
    fn describe_outputs(function: &'static str) -> Vec<OutputDescription>;

    #[doc(hidden)]
    fn into_result(self) -> Result<TileResult, Error>;
}

impl<O: Outputs> Returned for O {
    const REDUCES: bool = false;
    type State = ();

    fn describe_outputs(function: &'static str) -> Vec<OutputDescription> {
        <O as Outputs>::describe(function)
    }

    fn into_result(self) -> Result<TileResult, Error> {
        Ok(TileResult { outputs: self.into_outputs(), state: Vec::new() })
    }
}

impl<R: Reduce> Returned for Reduced<R> {
    const REDUCES: bool = true;
    type State = R;

    fn describe_outputs(_: &'static str) -> Vec<OutputDescription> {
        Vec::new()
    }

    fn into_result(self) -> Result<TileResult, Error> {
        Ok(TileResult { outputs: Vec::new(), state: reduce::encode(&self.0)? })
    }
}

impl<O: Outputs, R: Reduce> Returned for (O, Reduced<R>) {
    const REDUCES: bool = true;
    type State = R;

    fn describe_outputs(function: &'static str) -> Vec<OutputDescription> {
        <O as Outputs>::describe(function)
    }

    fn into_result(self) -> Result<TileResult, Error> {
        let (outputs, Reduced(state)) = self;
        Ok(TileResult { outputs: outputs.into_outputs(), state: reduce::encode(&state)? })
    }
}

impl<R: Returned> Returned for Result<R, Error> {
    const REDUCES: bool = R::REDUCES;
    type State = R::State;

    fn describe_outputs(function: &'static str) -> Vec<OutputDescription> {
        R::describe_outputs(function)
    }

    fn into_result(self) -> Result<TileResult, Error> {
        self?.into_result()
    }
}

/// What a function with a single output returns: `#[tile_function(nodata = …)]` is about that one.
#[diagnostic::on_unimplemented(
    message = "`nodata` in `#[tile_function(nodata = …)]` is for a function with a single output",
    label = "not a single output",
    note = "with several outputs, declare it at the field: `#[output(nodata = 0)]`"
)]
pub trait SingleOutput: Returned {}

impl<O: Output> SingleOutput for O {}
impl<O: Output, R: Reduce> SingleOutput for (O, Reduced<R>) {}
impl<R: SingleOutput> SingleOutput for Result<R, Error> {}
