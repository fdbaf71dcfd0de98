//! A tile function as its author wrote it: signature and attribute, checked.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, ItemFn, Result, ReturnType, Safety, Type};

use crate::{
    arguments::{Argument, Kind, doc_of},
    constant::{Constant, Value},
    options,
    types::{ParamType, Scalar, pixel_type, reduces},
};

/// A checked tile function.
pub struct Function {
    pub doc: String,
    pub arguments: Vec<Argument>,
    pub returned: Type,
    pub reduces: bool,
    pub halo: Halo,
    pub nodata: Option<Constant>,
}

/// Extra pixels: a number, or the parameter that has it.
pub enum Halo {
    Pixels(u32),
    Param(String),
}

/// The most pixels of halo that can be asked for; larger is a mistake.
const MAX_HALO: u32 = 65_535;

impl Function {
    /// Reads a function, and takes off it the attributes of its arguments. Collects all mistakes.
    pub fn take(attribute: TokenStream, item: &mut ItemFn) -> Result<Self> {
        let mut errors = Errors::default();
        errors.check(check_signature(item));
        let arguments: Vec<_> =
            item.sig.inputs.iter_mut().filter_map(|argument| errors.check(Argument::take(argument))).collect();
        if arguments.len() == item.sig.inputs.len() {
            errors.check(check_arguments(&arguments, item));
        }
        let returned = errors.check(returned(item));
        let options = errors.check(Options::parse(attribute));
        if let (Some(options), true) = (&options, arguments.len() == item.sig.inputs.len()) {
            errors.check(check_halo(options, &arguments));
        }
        if let (Some(options), Some(returned)) = (&options, &returned) {
            errors.check(options.nodata.as_ref().map_or(Ok(()), |nodata| check_nodata(nodata, pixel_type(returned))));
        }
        let error = errors.into_error();
        match (error, returned, options) {
            (None, Some(returned), Some(options)) => Ok(Self {
                doc: doc_of(&item.attrs),
                arguments,
                reduces: reduces(&returned),
                returned,
                halo: options.halo.map_or(Halo::Pixels(0), |(halo, _)| halo),
                nodata: options.nodata,
            }),
            (error, ..) => Err(error.unwrap_or_else(|| Error::new_spanned(&item.sig, "the function can't be read"))),
        }
    }
}

/// Mistakes, to be shown together.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn check<T>(&mut self, result: Result<T>) -> Option<T> {
        result
            .map_err(|error| match &mut self.0 {
                Some(errors) => errors.combine(error),
                None => self.0 = Some(error),
            })
            .ok()
    }

    fn into_error(self) -> Option<Error> {
        self.0
    }
}

fn check_signature(item: &ItemFn) -> Result<()> {
    let signature = &item.sig;
    let name = signature.ident.to_string();
    let wrong = |part: &dyn ToTokens, message: &str| Err(Error::new_spanned(part, message));
    if let Some(keyword) = &signature.asyncness {
        return wrong(keyword, "a tile function can't be async: it has nothing to wait for, the tiles are in memory");
    }
    if let Safety::Unsafe(keyword) = &signature.safety {
        return wrong(keyword, "a tile function can't be unsafe: nobody could keep what it relies on");
    }
    if let Some(abi) = &signature.abi {
        return wrong(abi, "write a plain `fn`: the macro makes the exports");
    }
    if !signature.generics.params.is_empty() {
        return wrong(
            &signature.generics,
            "a tile function can't be generic: the host must know its types. Call a generic function from it, or take `AnyTile`",
        );
    }
    if let Some(variadic) = &signature.variadic {
        return wrong(variadic, "a tile function can't be variadic: a list of files is a `Vec<Tile<T>>`");
    }
    if !name.is_ascii() {
        return wrong(&signature.ident, "the function's name must be ASCII: it becomes the name of exports");
    }
    Ok(())
}

fn check_arguments(arguments: &[Argument], item: &ItemFn) -> Result<()> {
    let contexts: Vec<_> = arguments.iter().filter(|argument| matches!(argument.kind, Kind::Context)).collect();
    if let [_, second, ..] = contexts.as_slice() {
        return Err(Error::new_spanned(&second.name, "the context is given once"));
    }
    // Only the inputs or the context say how large a tile is.
    if contexts.is_empty() && !arguments.iter().any(|argument| matches!(argument.kind, Kind::Input)) {
        return Err(Error::new_spanned(
            &item.sig.ident,
            "a tile function needs an input, such as `dem: Tile<f32>`, or the context, `ctx: &Context`",
        ));
    }
    Ok(())
}

fn returned(item: &ItemFn) -> Result<Type> {
    match &item.sig.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::ImplTrait(_) => Err(Error::new_spanned(ty, "write the type out: the host must know it")),
            other => Ok(other.clone()),
        },
        ReturnType::Default => Err(Error::new_spanned(
            &item.sig.ident,
            "a tile function returns its output: `-> Tile<f32>`, a struct with #[derive(Outputs)], or `Reduced<T>`",
        )),
    }
}

/// What the attribute says.
struct Options {
    halo: Option<(Halo, Constant)>,
    nodata: Option<Constant>,
}

impl Options {
    fn parse(tokens: TokenStream) -> Result<Self> {
        let mut parsed = Self { halo: None, nodata: None };
        for option in options::parse(tokens, &["halo", "nodata"])? {
            let constant = Constant::parse(&option.value)?;
            if option.key == "nodata" {
                parsed.nodata = Some(constant);
                continue;
            }
            let halo = match constant.value {
                Value::Int(pixels) => u32::try_from(pixels).ok().filter(|pixels| *pixels <= MAX_HALO).map(Halo::Pixels),
                Value::Text(ref name) => Some(Halo::Param(name.clone())),
                _ => None,
            };
            let halo = halo.ok_or_else(|| {
                constant.error(format!(
                    "the halo is a number of pixels from 0 to {MAX_HALO}, or the name of an integer parameter in quotes"
                ))
            })?;
            parsed.halo = Some((halo, constant));
        }
        Ok(parsed)
    }
}

/// A halo that names a parameter needs one that is a single integer and not negative.
fn check_halo(options: &Options, arguments: &[Argument]) -> Result<()> {
    let Some((Halo::Param(name), constant)) = &options.halo else {
        return Ok(());
    };
    let params = || {
        arguments.iter().filter_map(|argument| match &argument.kind {
            Kind::Param(param) => Some((argument.public_name(), param)),
            _ => None,
        })
    };
    let is_integer = |ty: ParamType| matches!(ty, ParamType { scalar: Scalar::Int(..), list: false });
    let Some((_, param)) = params().find(|(its_name, _)| its_name == name) else {
        let integers: Vec<_> = params().filter(|(_, param)| is_integer(param.ty)).map(|(name, _)| name).collect();
        let known = match integers.as_slice() {
            [] => "it has no integer parameter".to_owned(),
            names => format!("its integer parameters are: {}", names.join(", ")),
        };
        return Err(constant.error(format!("the function has no parameter `{name}` to take the halo from; {known}")));
    };
    if !is_integer(param.ty) {
        return Err(constant.error(format!("the halo is a number of pixels: `{name}` must be a single integer")));
    }
    let lowest = match (&param.min, param.ty.scalar) {
        (Some(Constant { value: Value::Int(min), .. }), _) => Some(*min),
        (_, Scalar::Int(min, _)) => Some(min),
        _ => None,
    };
    if lowest.is_some_and(|lowest| lowest < 0) {
        return Err(constant.error(format!("the halo can't be negative: give `{name}` `min = 0`, or make it a `u32`")));
    }
    Ok(())
}

/// A nodata value is a number that the pixel type holds, as far as the type can be seen.
pub fn check_nodata(nodata: &Constant, pixel_type: Option<&Type>) -> Result<()> {
    let value = match nodata.value {
        Value::Int(_) | Value::Float(_) => &nodata.value,
        _ => return Err(nodata.error("a nodata value is a number, or f32::NAN")),
    };
    let Some(Scalar::Int(min, max)) = pixel_type.and_then(Scalar::of) else {
        return Ok(());
    };
    let fits = matches!(value, Value::Int(value) if (min..=max).contains(value));
    if fits {
        return Ok(());
    }
    Err(nodata.error(format!("a nodata value of these pixels is an integer from {min} to {max}")))
}
