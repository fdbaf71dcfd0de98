//! End-to-end tests: the built program on job files, its pixels against numpy's and GDAL's, its messages word by word.

mod conformance;
mod examples;
mod support;
