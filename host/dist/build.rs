//! Links what gdal.cmake switched on in GDAL, statically; behind everything, since GDAL asks for it.

fn main() {
    for library in ["zstd", "deflate", "webp", "openjp2", "blosc", "lz4"] {
        println!("cargo:rustc-link-arg=-l:lib{library}.a");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
