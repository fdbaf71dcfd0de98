//! The jobs: which files each reads, as what type, and which kernel runs.

use crate::raster::{Input, Window};
use crate::{Failure, kernels};

/// Radius of the focal jobs.
const RADIUS: usize = 2;

/// A job with its files open.
pub enum Job {
    Ndvi { red: Input<f32>, nir: Input<f32> },
    FocalMean(Input<f32>),
    CloudFreeMedian { dates: Vec<Input<f32>>, masks: Vec<Input<u8>> },
    FocalMedian(Input<f32>),
    Copy(Input<f32>),
}

impl Job {
    pub fn open(name: &str, paths: &[String]) -> Result<Self, Failure> {
        Ok(match (name, paths) {
            ("ndvi", [red, nir]) => Self::Ndvi { red: Input::open(red)?, nir: Input::open(nir)? },
            ("focal-mean", [band]) => Self::FocalMean(Input::open(band)?),
            ("cloud-free-median", paths) if paths.len() % 2 == 0 => {
                let (dates, masks) = paths.split_at(paths.len() / 2);
                Self::CloudFreeMedian {
                    dates: dates.iter().map(|p| Input::open(p)).collect::<gdal::errors::Result<_>>()?,
                    masks: masks.iter().map(|p| Input::open(p)).collect::<gdal::errors::Result<_>>()?,
                }
            }
            ("focal-median", [band]) => Self::FocalMedian(Input::open(band)?),
            ("copy", [band]) => Self::Copy(Input::open(band)?),
            _ => return Err(format!("no job '{name}' with {} inputs", paths.len()).into()),
        })
    }

    /// Reads a window's inputs and computes its result.
    pub fn run(&mut self, window: Window, result: &mut [f32]) -> Result<(), Failure> {
        match self {
            Self::Ndvi { red, nir } => kernels::ndvi(red.read(window, 0)?, nir.read(window, 0)?, result),
            Self::FocalMean(band) => kernels::focal_mean::<RADIUS>(band.read(window, RADIUS)?, window.cols, result),
            Self::CloudFreeMedian { dates, masks } => {
                for (date, mask) in dates.iter_mut().zip(&mut *masks) {
                    date.read(window, 0)?;
                    mask.read(window, 0)?;
                }
                let series: Vec<_> = dates.iter().zip(masks).map(|(d, m)| (&d.pixels[..], &m.pixels[..])).collect();
                kernels::masked_median(&series, result);
            }
            Self::FocalMedian(band) => kernels::focal_median::<RADIUS>(band.read(window, RADIUS)?, window.cols, result),
            Self::Copy(band) => kernels::copy(band.read(window, 0)?, result),
        }
        Ok(())
    }
}
