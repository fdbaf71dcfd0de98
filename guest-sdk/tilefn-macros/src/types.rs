//! What a type in a signature looks like. Macros see no more than its text: an alias hides what it stands for.

use syn::{GenericArgument, PathArguments, Type, TypePath};

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamType {
    pub scalar: Scalar,
    pub list: bool,
}

/// The type of one value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Bool,
    /// With the smallest and largest value that the type, and the ABI's `i64`, can hold.
    Int(i128, i128),
    Float,
    Text,
    /// The bytes of a file.
    Bytes,
}

impl Scalar {
    pub fn of(ty: &Type) -> Option<Self> {
        let (name, arguments) = last_segment(ty)?;
        if !arguments.is_none() {
            return None;
        }
        let signed = |bits: u32| Self::Int(-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
        let unsigned = |bits: u32| Self::Int(0, (1 << bits) - 1);
        Some(match name.as_str() {
            "bool" => Self::Bool,
            "u8" => unsigned(8),
            "i8" => signed(8),
            "u16" => unsigned(16),
            "i16" => signed(16),
            "u32" | "usize" => unsigned(32),
            "i32" | "isize" => signed(32),
            "u64" => unsigned(63),
            "i64" => signed(64),
            "f32" | "f64" => Self::Float,
            "String" => Self::Text,
            "Bytes" => Self::Bytes,
            _ => return None,
        })
    }

    /// What it is called in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Int(..) => "an integer",
            Self::Float => "a float",
            Self::Text => "a text",
            Self::Bytes => "a file",
        }
    }
}

impl ParamType {
    pub fn of(ty: &Type) -> Option<Self> {
        if let Some(scalar) = Scalar::of(ty) {
            return Some(Self { scalar, list: false });
        }
        let item = argument(ty, "Vec")?;
        Scalar::of(item).filter(|scalar| *scalar != Scalar::Bytes).map(|scalar| Self { scalar, list: true })
    }
}

/// The last name of a path, and what follows it.
pub fn last_segment(ty: &Type) -> Option<(String, &PathArguments)> {
    match ty {
        Type::Path(TypePath { qself: None, path, .. }) => {
            path.segments.last().map(|segment| (segment.ident.to_string(), &segment.arguments))
        }
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// The first type argument of `name<…>`.
pub fn argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let (last, arguments) = last_segment(ty)?;
    let PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    arguments.args.iter().filter(|_| last == name).find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether the type is `name`, with or without arguments.
pub fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|(last, _)| last == name)
}

/// Whether a function that returns this accumulates: `Reduced<T>`, or a tuple that ends in one, maybe in a `Result`.
pub fn reduces(returned: &Type) -> bool {
    if let Some(ok) = argument(returned, "Result") {
        return reduces(ok);
    }
    match returned {
        Type::Tuple(tuple) => tuple.elems.last().is_some_and(|last| is_named(last, "Reduced")),
        other => is_named(other, "Reduced"),
    }
}

/// The pixel type of an output that is `Tile<T>` or `Vec<Tile<T>>`, maybe in a `Result` or with a `Reduced`.
pub fn pixel_type(returned: &Type) -> Option<&Type> {
    if let Some(inner) = argument(returned, "Result").or_else(|| argument(returned, "Vec")) {
        return pixel_type(inner);
    }
    match returned {
        Type::Tuple(tuple) => tuple.elems.first().and_then(pixel_type),
        other => argument(other, "Tile"),
    }
}
