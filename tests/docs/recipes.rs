//! Recipes: the scripts that docs/workers.md shows are the files that `scripts/test-recipes.sh` runs.

use super::page::{Page, ROOT};
use std::path::Path;

#[test]
fn the_page_shows_the_files_as_they_are() {
    let page = Page::read("docs/workers.md");
    let shown: Vec<_> = page.blocks().into_iter().map(|b| b.text).collect();
    let mut seen = 0;
    for entry in Path::new(ROOT).join("docs/recipes").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(shown.contains(&std::fs::read_to_string(&path).unwrap()), "docs/workers.md shows another {name}");
        assert!(page.text.contains(&format!("](recipes/{name})")), "docs/workers.md doesn't name {name}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}
