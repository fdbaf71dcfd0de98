//! Why a function failed, as the user will read it.

use alloc::string::{String, ToString};
use core::fmt;

/// A failure, with the text shown to the user.
///
/// Anything that can be displayed becomes one: `?` works on the errors of the standard library and of other crates,
/// and `Err("…".into())` or `Err(format!("…"))?` say it in own words. The host adds the tile and the function's name.
///
/// ```
/// use tilefn_guest::Error;
///
/// fn wavelength(name: &str) -> Result<f64, Error> {
///     let nanometres: f64 = name.trim_end_matches(" nm").parse()?;
///     if nanometres <= 0.0 {
///         return Err(format!("band {name:?} has no wavelength").into());
///     }
///     Ok(nanometres)
/// }
///
/// assert_eq!(wavelength("-1 nm").unwrap_err().message(), "band \"-1 nm\" has no wavelength");
/// assert_eq!(wavelength("red").unwrap_err().message(), "invalid float literal");
/// ```
// It does not implement `Display`: that is what leaves room for the conversion from everything that does.
pub struct Error {
    message: String,
}

impl Error {
    /// The text for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same failure with what was being done in front: `context: message`.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        alloc::format!("{context}: {}", self.message).into()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: fmt::Display> From<E> for Error {
    fn from(error: E) -> Self {
        Self { message: error.to_string() }
    }
}
