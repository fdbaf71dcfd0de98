//! The program. All of it is in the library, so that the tests' own build of it is the same.

fn main() {
    tilefn::main()
}
