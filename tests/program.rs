//! The program `tilefn`, as a target of this crate: cargo builds it anew before the tests that start it.

fn main() {
    cli::main()
}
