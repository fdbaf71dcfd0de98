//! `#[derive(Outputs)]`: a struct whose fields are a function's outputs.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DeriveInput, Error, Field, Fields, Meta, Result, ext::IdentExt, spanned::Spanned};

use crate::{arguments::doc_of, constant::Constant, function::check_nodata, options, types::pixel_type};

/// The `impl Outputs`.
pub fn derive(item: &DeriveInput) -> Result<TokenStream> {
    let needs_fields =
        "outputs are the named fields of a struct: `struct Terrain { slope: Tile<f32>, aspect: Tile<f32> }`";
    let Data::Struct(data) = &item.data else {
        return Err(Error::new_spanned(&item.ident, needs_fields));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&item.ident, needs_fields));
    };
    if fields.named.is_empty() {
        return Err(Error::new_spanned(&item.ident, needs_fields));
    }
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "outputs can't be generic: the host must know their types"));
    }
    let (mut descriptions, mut tiles) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let (ty, doc, name) = (&field.ty, doc_of(&field.attrs), ident.unraw().to_string());
        let nodata = match nodata(field)? {
            Some(nodata) => {
                let nodata = nodata.to_tokens();
                quote!(::core::option::Option::Some(#nodata))
            }
            None => quote!(::core::option::Option::None),
        };
        descriptions.push(quote_spanned!(ty.span()=> <#ty as ::tilefn_guest::Output>::describe(#name, #doc, #nodata)));
        tiles.push(quote_spanned!(ty.span()=> <#ty as ::tilefn_guest::Output>::into_tiles(self.#ident)));
    }
    let ident = &item.ident;
    Ok(quote! {
        impl ::tilefn_guest::Outputs for #ident {
            fn describe(_: &'static str) -> ::tilefn_guest::abi::Vec<::tilefn_guest::describe::OutputDescription> {
                ::tilefn_guest::abi::Vec::from([#(#descriptions),*])
            }

            fn into_outputs(self) -> ::tilefn_guest::abi::Vec<::tilefn_guest::abi::Vec<::tilefn_guest::AnyTile>> {
                ::tilefn_guest::abi::Vec::from([#(#tiles),*])
            }
        }
    })
}

/// What `#[output(nodata = …)]` says.
fn nodata(field: &Field) -> Result<Option<Constant>> {
    let mut nodata = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("output")) {
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            other => return Err(Error::new_spanned(other, "write #[output(nodata = …)]")),
        };
        for option in options::parse(tokens, &["nodata"])? {
            let constant = Constant::parse(&option.value)?;
            check_nodata(&constant, pixel_type(&field.ty))?;
            nodata = Some(constant);
        }
    }
    Ok(nodata)
}
