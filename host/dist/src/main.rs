//! The program with GDAL inside. All else is in its library.

// Linked because they are named, and in this order: GDAL before what it asks for.
extern crate curl_sys as _;
extern crate gdal_src as _;
extern crate geos_sys as _;
extern crate libsqlite3_sys as _;
extern crate link_cplusplus as _;
extern crate openssl_sys as _;
extern crate proj_sys as _;

fn main() {
    cli::main()
}
