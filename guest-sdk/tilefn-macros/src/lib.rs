//! The macros of `tilefn-guest`, which re-exports and documents them.

#![warn(missing_docs)]

mod arguments;
mod constant;
mod expand;
mod function;
mod options;
mod outputs;
mod param;
mod types;

use proc_macro::TokenStream;

/// Makes an ordinary function one that tilefn can run over rasters.
///
/// The signature is the interface:
///
/// - `Tile<T>`, `AnyTile`: an input; `Vec` of them: a list of files; `Option` of one: an input the job may leave out;
/// - `ctx: &Context`: the tile's place;
/// - `#[param(default = …, min = …, max = …)]` before an argument: a parameter;
/// - a doc comment before an argument describes it.
///
/// Keys of the attribute itself:
///
/// - `halo = 2`, or `halo = "radius"` for the value of an integer parameter: extra pixels around the input tiles;
/// - `nodata = 255`: the nodata value of the output's file (for several outputs see `Outputs`).
///
/// The function stays as it is and can be called natively. A crate may have several.
#[proc_macro_attribute]
pub fn tile_function(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::tile_function(options.into(), item.into()).into()
}

/// Makes a struct the outputs of a tile function: each field is one, named like the field.
///
/// A field is a `Tile<T>`, an `AnyTile`, or a `Vec` of them for a list of files. `#[output(nodata = 0)]` declares the
/// nodata value of its file, a doc comment describes it.
#[proc_macro_derive(Outputs, attributes(output))]
pub fn derive_outputs(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    outputs::derive(&item).unwrap_or_else(|e| e.into_compile_error()).into()
}
