//! The header's helpers and the C example, in a module made by clang.

use crate::host::{Call, Failure, Module, Raster};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The module of a C or C++ file.
fn compile(compiler: &str, source: &Path, arguments: &[&str]) -> Vec<u8> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let wasm = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.file_name().unwrap()).with_extension("wasm");
    let status = Command::new(compiler)
        .args(["--target=wasm32", "-O3", "-msimd128", "-nostdlib", "-fvisibility=hidden", "-Wl,--no-entry"])
        .args(["-Wall", "-Wextra", "-Werror", "-I"])
        .arg(sdk.join("include"))
        .args(arguments)
        .arg("-o")
        .arg(&wasm)
        .arg(source)
        .status();
    assert!(status.expect("clang and lld are needed").success());
    fs::read(wasm).unwrap()
}

/// An instance of the example.
fn ndvi() -> Module {
    Module::of(wasm())
}

fn wasm() -> &'static [u8] {
    static WASM: LazyLock<Vec<u8>> = LazyLock::new(|| compile("clang", &example(), &[]));
    &WASM
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/c-ndvi/ndvi.c")
}

#[test]
fn the_example_is_described() {
    let mut module = ndvi();
    assert_eq!(
        module.exports(),
        ["describe:ndvi", "memory", "process:ndvi", "tilefn_abi_v1", "tilefn_alloc", "tilefn_memory_used"]
    );
    let input = |name: &str| json!({"name": name, "dtype": "float32", "list": false, "optional": false, "doc": ""});
    assert_eq!(
        module.describe("ndvi"),
        json!({
            "name": "ndvi", "doc": "Normalised difference vegetation index.",
            "inputs": [input("red"), input("nir")], "params": [],
            "outputs": [{"name": "ndvi", "dtype": "float32", "list": false, "nodata": null, "doc": ""}],
            "halo": 0, "reduce": false,
        })
    );
}

#[test]
fn the_example_runs() {
    let red = Raster::f32([2, 1, 3], &[1.0, 2.0, f32::NAN, 1.0, 2.0, 3.0]).nodata(&[Some(2.0), None]);
    let nir = Raster::f32([2, 1, 3], &[3.0, 6.0, 1.0, 3.0, -1.0, 1.0]).nodata(&[None, Some(-1.0)]);
    let call = Call::new(1, 3).input("red", [red]).input("nir", [nir]).output("ndvi", 1);
    let ndvi = &ndvi().process("ndvi", call).unwrap().outputs[0][0];
    assert_eq!(ndvi.shape, [2, 1, 3]);
    assert_eq!(ndvi.f32(), [Some(0.5), None, None, Some(0.5), None, Some(-0.5)]);
}

#[test]
fn a_tile_larger_than_the_first_memory_gets_more() {
    let pixels = vec![1.0; 3 << 20];
    let raster = || Raster::f32([3, 1 << 10, 1 << 10], &pixels);
    let call = Call::new(1 << 10, 1 << 10).input("red", [raster()]).input("nir", [raster()]).output("ndvi", 1);
    let ndvi = &ndvi().process("ndvi", call).unwrap().outputs[0][0];
    assert!(ndvi.f32().iter().all(|v| *v == Some(0.0)));
}

#[test]
fn a_failure_has_its_text() {
    let raster = |bands| Raster::f32([bands, 1, 1], &vec![1.0; bands]);
    let call = Call::new(1, 1).input("red", [raster(1)]).input("nir", [raster(2)]).output("ndvi", 1);
    let failure = ndvi().process("ndvi", call).unwrap_err();
    assert_eq!(failure, Failure::Reported("red and nir must have the same number of bands".into()));
}

#[test]
fn the_example_runs_on_vectors() {
    // f32x4.div
    assert!(wasm().windows(3).any(|bytes| bytes == [0xfd, 0xe7, 0x01]));
}

#[test]
fn the_header_is_for_cpp_too() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ndvi_cpp.cpp");
    fs::write(&source, fs::read_to_string(example()).unwrap().replace("restrict", "__restrict")).unwrap();
    let wasm = compile("clang++", &source, &["-std=c++17", "-fno-exceptions", "-fno-rtti"]);
    let call = Call::new(1, 1)
        .input("red", [Raster::f32([1, 1, 1], &[1.0])])
        .input("nir", [Raster::f32([1, 1, 1], &[3.0])])
        .output("ndvi", 1);
    assert_eq!(Module::of(&wasm).process("ndvi", call).unwrap().outputs[0][0].f32(), [Some(0.5)]);
}
