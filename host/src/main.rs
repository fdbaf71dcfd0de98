//! tilefn.
fn main() {}
