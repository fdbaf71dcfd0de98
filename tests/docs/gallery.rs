//! docs/gallery.md: it has every job of examples/gallery with its picture, and nothing else.

use super::page::Page;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of a picture: the page has many.
const LARGEST: u64 = 40_000;

fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.extension().unwrap() == extension);
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_page_has_every_job_with_its_picture() {
    let page = Page::read("docs/gallery.md").text;
    let between = |start: &str, end: &str| -> BTreeSet<String> {
        let parts = page.split(start).skip(1);
        parts.filter_map(|part| part.split(')').next()?.strip_suffix(end).map(str::to_owned)).collect()
    };
    let jobs = names("examples/gallery", "toml");
    assert_eq!(between("](../examples/gallery/", ".toml"), jobs);
    assert_eq!(between("](images/gallery/", ".png"), jobs);
    assert_eq!(names("docs/images/gallery", "png"), jobs);
    for name in jobs {
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/images/gallery/{name}.png"));
        assert!(picture.metadata().unwrap().len() < LARGEST, "{name}");
    }
}
