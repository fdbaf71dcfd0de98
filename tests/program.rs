//! The program `tilefn`, as a target of this crate: cargo builds it anew before the tests that start it.

use std::io::Write;

fn main() {
    let code = tilefn::main();
    // What is written to stdout is line by line, but for the last part of a line.
    let _ = std::io::stdout().flush();
    // Every file is closed. The destructors of GDAL, PROJ and the libraries under them would take some milliseconds more
    // to give back what the operating system takes back at once.
    signal_hook::low_level::exit(code.into())
}
