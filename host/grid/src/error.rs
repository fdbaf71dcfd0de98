//! What can be wrong with a grid.

/// A grid that can't be used, or grids that don't go together. Texts have the names that the caller gave the grids.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The geotransform has rotation or shear terms that move pixels.
    #[error("it is rotated (geotransform terms {row_term} and {col_term})")]
    Rotated {
        /// Change of x per row.
        row_term: f64,
        /// Change of y per column.
        col_term: f64,
    },
    /// A number that isn't finite, or a size of zero.
    #[error("the grid is invalid: {0}")]
    Invalid(String),
    /// A size or position beyond what a grid can have.
    #[error("the grid is too large: {0}")]
    TooLarge(String),
    /// Two extents have no pixel in common.
    #[error("{first} and {second} have no pixel in common, so the intersection of the inputs is empty")]
    NoIntersection {
        /// One of the two.
        first: String,
        /// The other.
        second: String,
    },
}
