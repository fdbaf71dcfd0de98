//! GDAL itself: how it is called, what it says, which settings it has, its names, types and files.

pub(crate) mod attributes;
pub(crate) mod call;
pub(crate) mod data_files;
pub(crate) mod dtype;
pub(crate) mod hdf5;
pub(crate) mod lists;
pub(crate) mod messages;
pub(crate) mod pixels;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod vsi;
