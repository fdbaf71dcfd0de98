//! What a well-behaved module gets.

use tilefn::sandbox::{Halo, Sandbox};
use tilefn_abi::DType;

use super::fixture::*;

#[test]
fn a_tile_is_processed_in_the_modules_memory() {
    let sandbox = sandbox();
    assert_eq!(sandbox.warnings(), [] as [&str; 0]);
    let module = sandbox.compile(&Wat::default().build()).unwrap();
    let function = module.function("double").unwrap();
    let mut instance = function.instance().unwrap();
    let rasters = process(&mut instance, &[1.0, -2.5, 0.0, 1e30]).unwrap();
    let [raster] = rasters[..] else {
        panic!("{rasters:?}")
    };
    assert_eq!(
        (raster.dtype, raster.bands, raster.rows, raster.cols),
        (DType::Float32, 1, 1, 4)
    );
    assert_eq!(raster.nodata, None);
    assert_eq!(pixels(&instance, &raster), [2.0, -5.0, 0.0, 2e30]);
}

#[test]
fn a_module_tells_what_it_is() {
    let wasm = Wat::default().build();
    let module = Sandbox::new(&limits(), 1, 0)
        .unwrap()
        .compile(&wasm)
        .unwrap();
    assert_eq!(module.abi_version(), 1);
    assert_eq!(module.size(), wasm.len());
    assert_eq!(module.sha256().len(), 64);
    assert_eq!(module.imports(), [] as [&str; 0]);
    assert_eq!(
        module.exports(),
        [
            "tilefn_abi_v1",
            "memory",
            "tilefn_alloc",
            "describe:double",
            "process:double"
        ]
    );
    let [function] = module.functions() else {
        panic!()
    };
    assert_eq!(function.name, "double");
    assert_eq!(function.doc, "Twice the value.");
    assert_eq!(function.halo, Halo::Fixed(0));
    assert_eq!(function.inputs[0].dtype, Some(DType::Float32));
    let error = module.function("halve").err().unwrap();
    assert_eq!(
        error.to_string(),
        "the module has no function `halve`; it has `double`"
    );
}
