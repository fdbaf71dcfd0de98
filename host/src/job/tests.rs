//! Whole job files: what they are read into, and what is said about wrong ones.

#[test]
fn schema_print() {
    std::fs::write(
        "/tmp/schema.json",
        serde_json::to_string_pretty(&super::schema()).unwrap(),
    )
    .unwrap();
}
