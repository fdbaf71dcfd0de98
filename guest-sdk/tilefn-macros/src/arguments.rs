//! The arguments of a tile function: which are inputs, which parameters, which is the context.

use syn::{Attribute, Error, Expr, FnArg, Ident, Lit, Meta, Pat, PatType, Result, Type, ext::IdentExt};

use crate::{
    param::Param,
    types::{ParamType, is_named},
};

/// One argument.
pub struct Argument {
    pub name: Ident,
    pub ty: Type,
    pub doc: String,
    pub kind: Kind,
}

/// What an argument is.
pub enum Kind {
    Input,
    Param(Box<Param>),
    Context,
}

impl Argument {
    /// Reads an argument, and takes off it what Rust doesn't allow there.
    pub fn take(argument: &mut FnArg) -> Result<Self> {
        let argument = match argument {
            FnArg::Typed(argument) => argument,
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a tile function can't take `self`: write it outside of `impl`",
                ));
            }
        };
        let attributes = take_attributes(argument);
        let doc = doc_of(&attributes);
        let name = match &*argument.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none() => pattern.ident.clone(),
            other => {
                return Err(Error::new_spanned(
                    other,
                    "an argument needs a plain name: the job file calls the input or parameter by it",
                ));
            }
        };
        let ty = (*argument.ty).clone();
        let kind = kind(&ty, &attributes)?;
        Ok(Self { name, ty, doc, kind })
    }

    /// The name in job files.
    pub fn public_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Takes `#[param]` and doc comments off.
fn take_attributes(argument: &mut PatType) -> Vec<Attribute> {
    let ours = |attribute: &Attribute| attribute.path().is_ident("param") || attribute.path().is_ident("doc");
    argument.attrs.extract_if(.., |attribute| ours(attribute)).collect()
}

fn kind(ty: &Type, attributes: &[Attribute]) -> Result<Kind> {
    let mut params = attributes.iter().filter(|attribute| attribute.path().is_ident("param"));
    if let Some(param) = params.next() {
        if let Some(second) = params.next() {
            return Err(Error::new_spanned(second, "one #[param] is enough: write #[param(default = …, min = …)]"));
        }
        return Param::parse(param, ty).map(|param| Kind::Param(Box::new(param)));
    }
    if let Type::Reference(reference) = ty {
        if reference.mutability.is_none() && is_named(&reference.elem, "Context") {
            return Ok(Kind::Context);
        }
        return Err(Error::new_spanned(
            ty,
            "only the context is taken by reference, as `ctx: &Context`; take tiles by value, they are cheap to move",
        ));
    }
    if is_named(ty, "Context") {
        return Err(Error::new_spanned(ty, "the context is taken by reference: `&Context`"));
    }
    if ParamType::of(ty).is_some() {
        return Err(Error::new_spanned(
            ty,
            "an argument of this type is a parameter: write `#[param]`, or `#[param(default = …)]`, in front of it",
        ));
    }
    Ok(Kind::Input)
}

/// The text of doc comments: the first paragraph, on one line.
pub fn doc_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(value) => match &value.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
