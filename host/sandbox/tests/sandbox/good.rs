//! What a well-behaved module gets.

use tilefn_abi::DType;
use tilefn_sandbox::{Halo, Sandbox};

use super::fixture::*;

#[test]
fn a_tile_is_processed_in_the_modules_memory() {
    let sandbox = sandbox();
    assert_eq!(sandbox.warnings(), [] as [&str; 0]);
    let module = sandbox.compile(&good().build()).unwrap();
    let function = module.function("double").unwrap();
    let mut instance = function.instance().unwrap();
    let rasters = process(&mut instance, &[1.0, -2.5, 0.0, 1e30]).unwrap();
    let [raster] = rasters[..] else { panic!("{rasters:?}") };
    assert_eq!((raster.dtype, raster.bands, raster.rows, raster.cols), (DType::Float32, 1, 1, 4));
    assert_eq!(raster.nodata, None);
    assert_eq!(pixels(&instance, &raster), [2.0, -5.0, 0.0, 2e30]);
}

#[test]
fn a_module_tells_what_it_is() {
    let wasm = good().build();
    let module = Sandbox::new(&limits(), 1, 0).unwrap().compile(&wasm).unwrap();
    assert_eq!(module.abi_version(), 1);
    assert_eq!(module.size(), wasm.len());
    assert_eq!(module.sha256().len(), 64);
    assert_eq!(module.imports(), [] as [&str; 0]);
    assert_eq!(module.exports(), ["tilefn_abi_v1", "memory", "tilefn_alloc", "describe:double", "process:double"]);
    let [function] = module.functions() else { panic!() };
    assert_eq!(function.name, "double");
    assert_eq!(function.doc, "Twice the value.");
    assert_eq!(function.halo, Halo::Fixed(0));
    assert_eq!(function.inputs[0].dtype, Some(DType::Float32));
    let error = module.function("halve").err().unwrap();
    assert_eq!(error.to_string(), "the module has no function `halve`; it has `double`");
}

#[test]
fn threads_share_a_function() {
    fn shared<T: Send + Sync>(_: &T) {}
    let sandbox = Sandbox::new(&limits(), 4, 0).unwrap();
    let function = only(&sandbox.compile(&good().build()).unwrap()).unwrap();
    shared(&(&sandbox, &function));
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let function = &function;
            scope.spawn(move || {
                for tile in 0..50u8 {
                    let value = f32::from(thread) * 100.0 + f32::from(tile);
                    let mut instance = function.instance().unwrap();
                    let rasters = process(&mut instance, &[value]).unwrap();
                    assert_eq!(pixels(&instance, &rasters[0]), [2.0 * value]);
                }
            });
        }
    });
}

#[test]
fn an_instance_sees_nothing_of_the_one_before() {
    // Kept memory is cleared: the allocator hands out the same place again.
    let sandbox = Sandbox::new(&limits(), 1, 1 << 20).unwrap();
    let function = only(&sandbox.compile(&good().build()).unwrap()).unwrap();
    let mut first = function.instance().unwrap();
    let range = first.alloc(60_000, 16).unwrap();
    first.bytes_mut(range).unwrap().fill(0xaa);
    drop(first);
    let mut second = function.instance().unwrap();
    assert_eq!(second.alloc(60_000, 16).unwrap(), range);
    assert!(second.bytes(range).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn there_are_only_so_many_instances() {
    let sandbox = sandbox();
    let function = only(&sandbox.compile(&good().build()).unwrap()).unwrap();
    let instances: Vec<_> = std::iter::from_fn(|| function.instance().ok()).take(100).collect();
    assert_eq!(instances.len(), 5);
    assert_eq!(
        function.instance().err().unwrap().to_string(),
        "sandbox: maximum concurrent limit of 5 for core instances reached"
    );
    drop(instances);
    assert_works(&sandbox);
}

#[test]
fn peak_memory() {
    let module = sandbox().compile(&guest("grows").build()).unwrap();
    let mut instance = only(&module).unwrap().instance().unwrap();
    assert_eq!(instance.stats().peak_memory, 2 * 65_536);
    process(&mut instance, &[1.0]).unwrap_err();
    assert_eq!(instance.stats().peak_memory, 5 * 65_536);
    assert_eq!(instance.stats().fuel, None);
}

#[test]
fn compiled_modules_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("tilefn");
    for _ in 0..2 {
        let sandbox = Sandbox::with_cache(&limits(), 1, 0, Some(&cache)).unwrap();
        assert_eq!(sandbox.warnings(), [] as [&str; 0]);
        assert_works(&sandbox);
        assert!(cache.read_dir().unwrap().next().is_some());
    }
}

#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let sandbox = Sandbox::with_cache(&limits(), 1, 0, Some(&file)).unwrap();
    let warning = format!("compiled modules aren't kept in {}: File exists (os error 17)", file.display());
    assert_eq!(sandbox.warnings(), [warning]);
    assert_works(&sandbox);
}
