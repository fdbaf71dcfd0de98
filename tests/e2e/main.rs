//! End-to-end tests: the built program on job files, its pixels against numpy's and GDAL's, its messages word by word.

mod conformance;
mod examples;
mod failures;
mod files;
mod interrupt;
mod large;
mod mistakes;
mod outputs;
mod pixels;
mod report;
mod support;
