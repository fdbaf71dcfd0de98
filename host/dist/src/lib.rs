//! The compiled part of Python's package with GDAL inside. All of it is in `tilefn-python-api`, whose one symbol Python looks up.

extern crate curl_sys as _;
extern crate gdal_src as _;
extern crate geos_sys as _;
extern crate libsqlite3_sys as _;
extern crate link_cplusplus as _;
extern crate openssl_sys as _;
extern crate proj_sys as _;
extern crate python_api as _;
