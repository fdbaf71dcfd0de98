//! What the sandbox itself costs for each tile. `cargo bench -p tilefn --bench sandbox` prints microseconds.

use std::time::{Duration, Instant};

use tilefn_sandbox::{Function, Limits, Sandbox};

/// One input and one output plane of a 512 × 512 float32 tile.
const PLANE: usize = 1 << 20;
const RUNS: u32 = 400;

/// A function that returns no rasters. Its memory grows as it's asked for some, as that of functions in Rust does.
const MODULE: &str = r#"(module
    (func (export "tilefn_abi_v1"))
    (memory (export "memory") 17)
    (global $next (mut i32) (i32.const 65536))
    (func (export "tilefn_alloc") (param $len i32) (param $align i32) (result i32)
        (if (i32.gt_u (i32.add (global.get $next) (local.get $len)) (i32.mul (memory.size) (i32.const 65536)))
            (then (drop (memory.grow (i32.div_u (i32.add (local.get $len) (i32.const 65535)) (i32.const 65536))))))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get $len))))
    (data (i32.const 1024) "{\"name\":\"nothing\",\"outputs\":[{\"name\":\"y\",\"dtype\":\"uint8\"}]}")
    (data (i32.const 0) "\10\00\00\00\01\00\00\00")
    (func (export "describe:nothing") (result i64) (i64.const 4398046511163))
    (func (export "process:nothing") (param i32) (result i32) (i32.const 256))
    (data (i32.const 256) "\10\00\00\00\01\00\00\00"))"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wasm = wat::parse_str(MODULE)?;
    for kept in [0, 1, 4 << 20] {
        let sandbox = Sandbox::new(&Limits::default(), 1, kept)?;
        let function = sandbox.compile(&wasm)?.function("nothing")?;
        let empty = fastest(|| run(&function, 0))?;
        let filled = fastest(|| run(&function, 3))?;
        println!("kept {:>4} KiB: empty tile {empty:>7.1} µs, 3 × 1 MiB {filled:>7.1} µs", kept >> 10);
    }
    Ok(())
}

/// A tile: a fresh instance, pixels copied in, one call.
fn run(function: &Function, planes: usize) -> tilefn_sandbox::Result<()> {
    let mut instance = function.instance()?;
    for _ in 0..planes {
        let range = instance.alloc(PLANE, 16)?;
        instance.bytes_mut(range)?.fill(1);
    }
    instance.process(&[0; 144])?;
    Ok(())
}

/// Microseconds of the fastest run: the others were disturbed.
fn fastest(mut run: impl FnMut() -> tilefn_sandbox::Result<()>) -> tilefn_sandbox::Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed());
    }
    Ok(best.as_secs_f64() * 1e6)
}
