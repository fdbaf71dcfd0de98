//! Stands in for `files` in a build without GDAL: opens nothing.

use super::{BurnSpec, CoverageSpec, Error, Found, MosaicSpec, Result, SourceSpec};
use grid::Window;

/// A raster file that can't be opened.
#[derive(Debug)]
pub enum Source {}

impl Source {
    /// Refuses: no controller that wants its workers to read lets a worker of this build in.
    ///
    /// # Errors
    /// Always.
    pub fn open(spec: &SourceSpec) -> Result<Self> {
        Err(Error::Open { path: spec.path.clone(), reason: "this tilefn was built without GDAL".into() })
    }

    /// Never called: no such source exists.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: Window, _: &mut [u8]) -> Result<Found> {
        match *self {}
    }
}

/// Raster files that can't be opened.
#[derive(Debug)]
pub enum Mosaic {}

impl Mosaic {
    /// Refuses, as [`Source::open`].
    ///
    /// # Errors
    /// Always.
    pub fn open(spec: &MosaicSpec, _: usize) -> Result<Self> {
        let path = spec.parts.first().map_or_else(String::new, |part| part.path.clone());
        Err(Error::Open { path, reason: "this tilefn was built without GDAL".into() })
    }

    /// Never called: no such mosaic exists.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: Window, _: &mut [u8]) -> Result<Found> {
        match *self {}
    }
}

/// A vector file that can't be opened.
#[derive(Debug)]
pub enum Burner {}

impl Burner {
    /// Refuses, as [`Source::open`].
    ///
    /// # Errors
    /// Always.
    pub fn open(spec: &BurnSpec) -> Result<Self> {
        Err(Error::Open { path: spec.path.clone(), reason: "this tilefn was built without GDAL".into() })
    }

    /// Never called: no such layer exists.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: Window, _: &mut [u8]) -> Result<Found> {
        match *self {}
    }
}

/// A vector file that can't be opened.
#[derive(Debug)]
pub enum Coverage {}

impl Coverage {
    /// Refuses, as [`Source::open`].
    ///
    /// # Errors
    /// Always.
    pub fn open(spec: &CoverageSpec) -> Result<Self> {
        Err(Error::Open { path: spec.burn.path.clone(), reason: "this tilefn was built without GDAL".into() })
    }

    /// Never called: no such layer exists.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: Window, _: &mut [u8]) -> Result<Found> {
        match *self {}
    }
}

/// Does nothing: there is no GDAL to prepare.
pub fn init(_: u64) {}
