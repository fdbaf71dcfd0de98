//! The tables that the compiler puts into a module, and the runtime reads. The crate `tilefn-expression` compiles this file too.
//!
//! Addresses are absolute, numbers little-endian.

use bytemuck::{Pod, Zeroable};

/// Bytes that the tables of one expression may take.
pub const TABLES: usize = 96 << 10;
/// Pixels that statistics are computed for at a time. A multiple of [`GROUP`].
pub const CHUNK: u32 = 1024;
/// Most pixels that the kernel computes at a time: it reads and writes whole groups, also beyond the last pixel.
pub const GROUP: u32 = 16;
/// Bytes behind each buffer that the kernel may read and write: of a group.
pub const BEYOND: u32 = 128;

/// Of a list's length or a text's bytes.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Span {
    /// Where the first item is.
    pub address: u32,
    /// Number of items.
    pub len: u32,
}

/// The first of the tables.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Program {
    /// The description as JSON.
    pub describe: Span,
    /// A [`Stage`] for each output, in the order of the description.
    pub outputs: Span,
    /// [`Stage`]s of statistics.
    pub statistics: Span,
    /// Names of the inputs: a [`Span`] each.
    pub inputs: Span,
    /// Bytes of a computed number: 4 (float32) or 8 (float64).
    pub float: u32,
}

/// A loop over pixels, and what becomes of its values.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Stage {
    /// What the kernel reads: [`Stream`]s.
    pub streams: Span,
    /// Numbers of statistics that are needed first, `u32` each, in their order; for a statistic over bands: for each band.
    pub needs: Span,
    /// Numbers of the inputs whose bands are taken one after the other.
    pub moving: Span,
    /// For an output: its name.
    pub name: Span,
    /// For an output: a `DType`.
    pub dtype: u32,
    /// For a statistic: which, a constant of [`statistic`].
    pub statistic: u32,
    /// For a statistic: [`OVER_FILES`] or [`OVER_BANDS`].
    pub axis: u32,
    /// For a statistic over files: the numbers of the list inputs.
    pub lists: Span,
    /// Whether the statistic is of its only stream, as it is.
    pub direct: u32,
    /// 1 + the number of the parameter that has the percentile; 0: it is `percent`.
    pub percent_param: u32,
    pub reserved: u32,
    /// Percentile from 0 to 100.
    pub percent: f64,
}

/// What a statistic goes over: the files of a list input.
pub const OVER_FILES: u32 = 1;
/// What a statistic goes over: bands.
pub const OVER_BANDS: u32 = 2;

/// Numbers of the statistics.
pub mod statistic {
    pub const MEAN: u32 = 1;
    pub const SUM: u32 = 2;
    pub const STD: u32 = 3;
    pub const COUNT: u32 = 4;
    pub const MIN: u32 = 5;
    pub const MAX: u32 = 6;
    /// Percentile; the median is that of 50.
    pub const PERCENTILE: u32 = 7;
}

/// Pixels that a stage reads.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Stream {
    /// 1 when it is the result of a statistic.
    pub result: u32,
    /// The number of the input or statistic.
    pub index: u32,
    /// The input's band, from 1; 0: as the stage goes.
    pub band: u32,
    /// Bytes of a pixel.
    pub size: u32,
}

/// Where the kernel finds a stream.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Slot {
    /// The first pixel.
    pub address: u32,
    pub reserved: u32,
    /// The value of invalid pixels beside NaN; NaN when there is none.
    pub mark: f64,
}

/// Kernel's answer: a pixel is invalid.
pub const INVALID: u64 = 1;
/// Kernel's answer: a valid pixel has the value that marks invalid ones.
pub const CLASH: u64 = 2;
/// Kernel's answer: a pixel doesn't fit the type; its number is in the bits from [`PIXEL_SHIFT`] on.
pub const UNFIT: u64 = 4;
/// Where the pixel's number begins.
pub const PIXEL_SHIFT: u32 = 8;

const _: () = {
    assert!(size_of::<Program>() == 36);
    assert!(size_of::<Stage>() == 72);
    assert!(size_of::<Stream>() == 16);
    assert!(size_of::<Slot>() == 16);
};
