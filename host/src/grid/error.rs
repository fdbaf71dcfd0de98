//! What can be wrong with a grid.

/// A grid that can't be used, or grids that don't go together. The texts name the grids as their caller did.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The geotransform has rotation or shear terms.
    #[error("the grid is rotated (geotransform terms {row_term} and {col_term}): warp it to a north-up grid first")]
    Rotated {
        /// Change of x per row.
        row_term: f64,
        /// Change of y per column.
        col_term: f64,
    },
    /// Rows run from south to north, or columns from east to west.
    #[error(
        "the grid is not north-up (pixel size {dx}, {dy}; expected a positive and a negative number): warp it first"
    )]
    NotNorthUp {
        /// Change of x per column.
        dx: f64,
        /// Change of y per row.
        dy: f64,
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
