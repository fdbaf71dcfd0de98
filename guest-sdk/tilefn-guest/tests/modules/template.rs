//! What `tilefn new` makes: tested natively, built, and called.

use crate::host::{Call, Module, Param, Raster, build_crate, cargo};
use std::{fs, path::Path};

/// The template with its names filled in, as `tilefn new band-ratio` writes it.
fn make(folder: &Path) {
    let sdk = env!("CARGO_MANIFEST_DIR");
    let template = Path::new(sdk).join("../../host/cli/templates/function");
    for file in ["Cargo.toml.in", "src/lib.rs", ".cargo/config.toml", ".gitignore", "job.toml", "README.md"] {
        let text = fs::read_to_string(template.join(file)).unwrap();
        let text = text.replace("{{name}}", "band-ratio").replace("{{function}}", "band_ratio");
        // The SDK of this repository, not a copy.
        let text = text.replace("\"sdk/tilefn-guest\"", &format!("{sdk:?}"));
        assert!(!text.contains("{{"), "{file} has a name that isn't filled in");
        let path = folder.join(file.trim_end_matches(".in"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn a_new_crate_passes_its_tests_and_runs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("band-ratio");
    make(&folder);
    // The versions of this workspace, so that nothing newer is fetched.
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/module/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let tests = cargo(&folder, &folder.join("target")).args(["test", "--quiet"]).status();
    assert!(tests.unwrap().success());

    let wasm = build_crate(&folder, "band_ratio", &[]);
    // f32x4.div, which the crate's own .cargo/config.toml allows.
    assert!(wasm.windows(3).any(|bytes| bytes == [0xfd, 0xe7, 0x01]));
    let call = Call::new(1, 2)
        .input("a", [Raster::f32([1, 1, 2], &[3.0, f32::NAN])])
        .input("b", [Raster::f32([1, 1, 2], &[1.0, 1.0])])
        .param(Param::Float(10.0))
        .output("band_ratio", 1);
    assert_eq!(Module::of(&wasm).process("band_ratio", call).unwrap().outputs[0][0].f32(), [Some(5.0), None]);
}
