//! What a function can take as a parameter.

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::ops::Deref;

use tilefn_abi::ParamKind;

use crate::{Error, RawParam, RawValue};

/// An argument that is a parameter: a bool, an integer, a float, a `String`, a `Vec` of one of them, or [`Bytes`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a parameter of a tile function",
    label = "not a parameter type",
    note = "a parameter is a bool, an integer up to 64 bits, f32, f64, `String`, a `Vec` of one of them, or `Bytes`"
)]
pub trait ParamValue: Sized {
    /// What each value is.
    const KIND: ParamKind;
    /// Whether it is a list.
    const LIST: bool;
    /// The integers it can hold, where the type is narrower than the ABI's `i64`.
    const RANGE: (Option<i64>, Option<i64>);

    #[doc(hidden)]
    fn from_raw(raw: &RawParam) -> Result<Self, Error>;
}

/// A parameter that isn't a list.
pub trait ParamScalar: Sized {
    #[doc(hidden)]
    const KIND: ParamKind;
    #[doc(hidden)]
    const RANGE: (Option<i64>, Option<i64>) = (None, None);

    #[doc(hidden)]
    fn from_value(value: RawValue) -> Option<Self>;
}

impl<S: ParamScalar> ParamValue for S {
    const KIND: ParamKind = S::KIND;
    const LIST: bool = false;
    const RANGE: (Option<i64>, Option<i64>) = S::RANGE;

    fn from_raw(raw: &RawParam) -> Result<Self, Error> {
        check_kind(raw, S::KIND, false)?;
        let [value] = raw.values.as_slice() else {
            return Err("it has no value".into());
        };
        read(*value)
    }
}

impl<S: ParamScalar> ParamValue for Vec<S> {
    const KIND: ParamKind = S::KIND;
    const LIST: bool = true;
    const RANGE: (Option<i64>, Option<i64>) = S::RANGE;

    fn from_raw(raw: &RawParam) -> Result<Self, Error> {
        check_kind(raw, S::KIND, true)?;
        raw.values.iter().map(|value| read(*value)).collect()
    }
}

fn check_kind(raw: &RawParam, kind: ParamKind, list: bool) -> Result<(), Error> {
    if raw.kind != kind as u32 || raw.list != list {
        return Err("the host passed a value of another type".into());
    }
    Ok(())
}

fn read<S: ParamScalar>(value: RawValue) -> Result<S, Error> {
    let type_name = core::any::type_name::<S>();
    S::from_value(value).ok_or_else(|| match value {
        RawValue::Bits(bits) => format!("{} is outside the range of {type_name}", bits.cast_signed()).into(),
        RawValue::Text(text) => format!("{text:?} is no {type_name}").into(),
        RawValue::Bytes(_) => format!("a file is no {type_name}").into(),
    })
}

impl ParamScalar for bool {
    const KIND: ParamKind = ParamKind::Bool;

    fn from_value(value: RawValue) -> Option<Self> {
        match value {
            RawValue::Bits(0) => Some(false),
            RawValue::Bits(1) => Some(true),
            _ => None,
        }
    }
}

macro_rules! integer_param {
    ($($type:ty: $min:expr, $max:expr;)+) => {$(
        impl ParamScalar for $type {
            const KIND: ParamKind = ParamKind::Int;
            const RANGE: (Option<i64>, Option<i64>) = ($min, $max);

            fn from_value(value: RawValue) -> Option<Self> {
                match value {
                    RawValue::Bits(bits) => bits.cast_signed().try_into().ok(),
                    _ => None,
                }
            }
        }
    )+};
}

integer_param! {
    u8: Some(0), Some(u8::MAX as i64);
    i8: Some(i8::MIN as i64), Some(i8::MAX as i64);
    u16: Some(0), Some(u16::MAX as i64);
    i16: Some(i16::MIN as i64), Some(i16::MAX as i64);
    u32: Some(0), Some(u32::MAX as i64);
    i32: Some(i32::MIN as i64), Some(i32::MAX as i64);
    u64: Some(0), None;
    i64: None, None;
    // The same on every machine, or a function would be described differently natively and as a module.
    usize: Some(0), Some(u32::MAX as i64);
    isize: Some(i32::MIN as i64), Some(i32::MAX as i64);
}

macro_rules! float_param {
    ($($type:ty),+) => {$(
        impl ParamScalar for $type {
            const KIND: ParamKind = ParamKind::Float;

            fn from_value(value: RawValue) -> Option<Self> {
                match value {
                    RawValue::Bits(bits) => Some(num_traits::AsPrimitive::<$type>::as_(f64::from_bits(bits))),
                    _ => None,
                }
            }
        }
    )+};
}

float_param!(f32, f64);

impl ParamScalar for String {
    const KIND: ParamKind = ParamKind::Text;

    fn from_value(value: RawValue) -> Option<Self> {
        match value {
            RawValue::Text(text) => Some(text.into()),
            _ => None,
        }
    }
}

/// The bytes of a file that the job names, such as a model: `#[param] model: Bytes` and `model = { file = "model.bin" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(Cow<'static, [u8]>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// For tests.
impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl ParamValue for Bytes {
    const KIND: ParamKind = ParamKind::Bytes;
    const LIST: bool = false;
    const RANGE: (Option<i64>, Option<i64>) = (None, None);

    fn from_raw(raw: &RawParam) -> Result<Self, Error> {
        check_kind(raw, ParamKind::Bytes, false)?;
        match raw.values.as_slice() {
            [RawValue::Bytes(bytes)] => Ok(Self(Cow::Borrowed(bytes))),
            _ => Err("it has no value".into()),
        }
    }
}
