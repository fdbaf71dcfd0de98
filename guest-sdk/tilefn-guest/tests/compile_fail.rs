//! What the compiler says to a function that can't be one. `TRYBUILD=overwrite` writes the texts anew.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
