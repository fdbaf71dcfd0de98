//! What the sandbox itself costs for each tile. `cargo bench -p tilefn --bench sandbox` prints microseconds.

use std::time::{Duration, Instant};

use tilefn_sandbox::{Function, Limits, Sandbox};

/// One input and one output plane of a 512 × 512 float32 tile.
const PLANE: usize = 1 << 20;
const RUNS: u32 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wasm = wat::parse_str(include_str!("nothing.wat"))?;
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
