//! What tiles and contexts do, natively, against the same said pixel by pixel.
#![cfg(test)]
#![expect(clippy::cast_possible_truncation, reason = "the numbers are small")]

mod context;
mod focal;
mod marks;
mod naive;
mod pixelwise;
