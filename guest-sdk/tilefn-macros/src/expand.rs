//! The code around a tile function: its description, the call, the exports.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, ext::IdentExt, spanned::Spanned};

use crate::{
    arguments::{Argument, Kind},
    function::{Function, Halo},
};

/// The function, unchanged but for attributes of its arguments, and what the host needs of it.
pub fn tile_function(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut item: ItemFn = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let glue = match Function::take(options, &mut item) {
        Ok(function) => glue(&function, &item),
        Err(error) => error.into_compile_error(),
    };
    quote!(#item #glue)
}

/// Its own names begin with `__tilefn_`, so that they hide none of the author's. Compiled natively too, so that `cargo test` and editors show what is wrong with a signature.
fn glue(function: &Function, item: &ItemFn) -> TokenStream {
    let ident = &item.sig.ident;
    let name = ident.unraw().to_string();
    let conditions = item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let (checks, description, call) = (checks(function), description(function, &name), call(function, ident));
    let exports = exports(function, &name);
    quote! {
        #(#conditions)*
        const _: () = {
            #checks

            fn __tilefn_description() -> ::tilefn_guest::describe::Description {
                #description
            }

            fn __tilefn_run(
                __tilefn_call: &::tilefn_guest::abi::Call,
            ) -> ::core::result::Result<::tilefn_guest::abi::TileResult, ::tilefn_guest::Error> {
                #call
            }

            const _: (
                fn() -> ::tilefn_guest::describe::Description,
                fn(
                    &::tilefn_guest::abi::Call,
                ) -> ::core::result::Result<::tilefn_guest::abi::TileResult, ::tilefn_guest::Error>,
            ) = (__tilefn_description, __tilefn_run);

            #exports
        };
    }
}

/// Makes a `describe::Description`.
fn description(function: &Function, name: &str) -> TokenStream {
    let doc = &function.doc;
    let halo = match &function.halo {
        Halo::Pixels(pixels) => quote!(::tilefn_guest::describe::Halo::Pixels(#pixels)),
        Halo::Param(param) => quote!(::tilefn_guest::describe::Halo::Param(#param)),
    };
    let arguments = function.arguments.iter().map(|argument| {
        let Argument { ty, doc, kind, .. } = argument;
        let name = argument.public_name();
        match kind {
            Kind::Input => quote_spanned!(ty.span()=> .input::<#ty>(#name, #doc)),
            Kind::Param(param) => {
                let bounds = param.to_tokens();
                quote_spanned!(ty.span()=> .param::<#ty>(#name, #doc, #bounds))
            }
            Kind::Context => TokenStream::new(),
        }
    });
    let returned = &function.returned;
    let nodata = match &function.nodata {
        Some(nodata) => {
            let nodata = nodata.to_tokens();
            quote!(::core::option::Option::Some(#nodata))
        }
        None => quote!(::core::option::Option::None),
    };
    let returns = quote_spanned!(returned.span()=> .returns::<#returned>(#nodata));
    quote!(::tilefn_guest::describe::Description::new(#name, #doc, #halo) #(#arguments)* #returns)
}

/// Reads the arguments, each by its number among its kind, and calls the function, whose name no local variable may have.
fn call(function: &Function, ident: &Ident) -> TokenStream {
    let (mut inputs, mut params) = (0usize.., 0usize..);
    let mut context = None;
    let arguments: Vec<_> = function
        .arguments
        .iter()
        .map(|argument| {
            let ty = &argument.ty;
            let name = argument.public_name();
            match argument.kind {
                Kind::Input => {
                    let number = inputs.next();
                    quote_spanned!(ty.span()=> __tilefn_call.input::<#ty>(#number)?)
                }
                Kind::Param(_) => {
                    let number = params.next();
                    quote_spanned!(ty.span()=> __tilefn_call.param::<#ty>(#number, #name)?)
                }
                Kind::Context => {
                    context = Some(quote!(let __tilefn_context = __tilefn_call.context()?;));
                    quote!(&__tilefn_context)
                }
            }
        })
        .collect();
    let returned = &function.returned;
    let into_result = quote_spanned!(returned.span()=> <#returned as ::tilefn_guest::Returned>::into_result);
    quote!(#context #into_result(#ident(#(#arguments),*)))
}

/// The functions that a module exports for it.
fn exports(function: &Function, name: &str) -> TokenStream {
    let [describe, process, merge, finish] =
        ["describe", "process", "merge", "finish"].map(|prefix| format!("{prefix}:{name}"));
    let returned = &function.returned;
    let state = quote!(<#returned as ::tilefn_guest::Returned>::State);
    let reduce = function.reduces.then(|| {
        quote! {
            #[unsafe(export_name = #merge)]
            extern "C" fn merge(a: u32, a_len: u32, b: u32, b_len: u32) -> u32 {
                ::tilefn_guest::abi::merge::<#state>(a, a_len, b, b_len)
            }

            #[unsafe(export_name = #finish)]
            extern "C" fn finish(state: u32, len: u32) -> u32 {
                ::tilefn_guest::abi::finish::<#state>(state, len)
            }
        }
    });
    quote! {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = #describe)]
            extern "C" fn describe() -> u64 {
                ::tilefn_guest::abi::describe(&__tilefn_description())
            }

            #[unsafe(export_name = #process)]
            extern "C" fn process(call: u32) -> u32 {
                ::tilefn_guest::abi::process(call, __tilefn_run)
            }

            #reduce
        };
    }
}

/// What only the compiler can check, because types may be aliases.
fn checks(function: &Function) -> TokenStream {
    let Function { returned, reduces, nodata, .. } = function;
    let message = "write `Reduced<…>` out in the function's signature, not behind an alias";
    let single_output = nodata.as_ref().map(|_| {
        quote_spanned! {returned.span()=>
            const _: fn() = || {
                fn has_one_output<R: ::tilefn_guest::SingleOutput>() {}
                has_one_output::<#returned>();
            };
        }
    });
    quote! {
        const _: () = ::core::assert!(<#returned as ::tilefn_guest::Returned>::REDUCES == #reduces, #message);
        #single_output
    }
}
