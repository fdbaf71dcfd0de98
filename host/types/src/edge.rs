//! What a halo shows beyond the data.

use serde::{Deserialize, Serialize};

/// What a tile's halo shows where it reaches beyond the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Edge {
    /// The band's nodata value.
    #[default]
    Nodata,
    /// The pixels mirrored at the edge, the edge pixel included: `c b a | a b c`.
    Reflect,
    /// The pixel nearest to it: `a a a | a b c`.
    Nearest,
}
