//! Files as parameters of modules: `params.NAME = { file = "…" }`.

use crate::support::{Folder, ROOT, assert_message};
use serde_json::json;
use std::path::Path;
use std::process::Command;

const IO: &str = "[inputs.image]\npath = 'a.tif'\n[outputs.looked_up]\npath = 'out.tif'\n[grid]\ntile = [32, 32]\n";
const PARAMS: &str = "[params]\ntable = { file = 'tables/table.bin' }\n";
/// All kinds of workers that this machine has; those that read, and those that are sent pixels.
const KINDS: [&str; 3] =
    ["--workers threads:2", "--workers processes:2", "--workers processes:2 --set workers.reads=worker"];

/// A file changes between two runs: what counts is what it holds, and the report says so.
#[test]
fn rust_gets_the_bytes_of_a_file() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 70)); os.mkdir('tables')");
    f.job("looked_up", &format!("{IO}{PARAMS}"));
    for (add, kind) in KINDS.into_iter().enumerate() {
        let expected = f.python(&format!(
            "
            import hashlib
            table = (np.arange(200)[::-1] // 2 + {add}).astype('u1')
            table.tofile('tables/table.bin')
            result = hashlib.sha256(table.tobytes()).hexdigest()
            "
        ));
        let report = f.report(&format!("--overwrite {kind}"));
        f.python("same('out.tif', np.pad(np.fromfile('tables/table.bin', 'u1'), (0, 56))[ramp(100, 70)])");
        assert_eq!(report["job"]["params_sha256"], json!({ "table": expected }), "{kind}");
    }
}

/// The bytes are aligned to 8, so a table of float64 can be used where it lies.
#[test]
fn c_gets_the_bytes_of_a_file() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 70)); os.mkdir('tables'); (np.arange(256) ** 2 / 7).tofile('tables/table.bin')");
    f.write("looked_up.c", LOOKED_UP);
    let made = Command::new("clang")
        .args(["--target=wasm32", "-O2", "-nostdlib", "-fvisibility=hidden", "-Wl,--no-entry", "-Werror"])
        .arg("-I")
        .arg(Path::new(ROOT).join("guest-sdk/include"))
        .args(["-o", "looked_up.wasm", "looked_up.c"])
        .current_dir(f.path())
        .output()
        .expect("clang is there (scripts/setup.sh test)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    f.write("job.toml", &format!("[function]\nmodule = 'looked_up.wasm'\n{IO}{PARAMS}"));
    for kind in KINDS {
        f.run(&format!("--overwrite {kind}")).ok();
        f.python("same('out.tif', (np.arange(256) ** 2 / 7)[ramp(100, 70)], nodata=np.nan)");
    }
    f.python("np.zeros(3).tofile('tables/table.bin')");
    let run = f.run("--overwrite");
    assert!(run.error(1).contains("the table is too short"), "{}", run.stderr);
}

const LOOKED_UP: &str = r#"#include "tilefn.h"

TILEFN_MODULE

TILEFN_DESCRIBE("looked_up",
    "{\"name\":\"looked_up\",\"doc\":\"Each pixel's entry in a table.\","
    "\"inputs\":[{\"name\":\"image\",\"dtype\":\"uint8\",\"list\":false,\"optional\":false,\"doc\":\"\"}],"
    "\"params\":[{\"name\":\"table\",\"type\":\"bytes\",\"list\":false,\"default\":null,\"doc\":\"\"}],"
    "\"outputs\":[{\"name\":\"looked_up\",\"dtype\":\"float64\",\"list\":false,\"nodata\":null,\"doc\":\"\"}],"
    "\"halo\":0,\"reduce\":false}")

TILEFN_PROCESS("looked_up", looked_up) {
    const tilefn_raster *image = tilefn_input_raster(call, 0, 0);
    const tilefn_param *table = tilefn_get_param(call, 0);
    tilefn_out_raster out = tilefn_new_raster(call, TILEFN_FLOAT64, image->bands);
    if (out.data == 0) return tilefn_fail("out of memory");
    const double *entries = (const double *)tilefn_items(call, table->items);
    uint32_t count = call->rows * call->cols * image->bands;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pixel = ((const unsigned char *)tilefn_pixels(image))[i];
        if (pixel >= table->items.len / sizeof(double)) return tilefn_fail("the table is too short");
        ((double *)(uintptr_t)out.data)[i] = entries[pixel];
    }
    return tilefn_return(&out, 1);
}
"#;

/// Files beside a module would not be seen by it: the message says how a module gets one.
#[test]
fn files_are_not_included_in_a_module() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(8, 8))");
    let module = crate::support::probe();
    f.write("job.toml", &format!("[function]\nmodule = {module:?}\nname = 'copy'\ninclude = ['a.tif']\n"));
    let expected = format!(
        "function.include: only a Python function can read files; {} is a module, which gets a file's bytes as a parameter: \
         `NAME = {{ file = \"…\" }}` under [params]",
        module.display()
    );
    assert_message(&f, f.run("").error(2), &expected);
    let expected = format!("{} is a module: only a Python program can include files", module.display());
    let run = f.tilefn(["inspect", module.to_str().unwrap(), "--include", "a.tif"]);
    assert_message(&f, run.error(2), &expected);
}
