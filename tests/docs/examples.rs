//! Job files in the pages: each is one that `tilefn run` reads.

use super::page::Page;
use job::load_text;

/// What makes a whole job of a few sections.
const LEAST: &str = "[function]\nmodule = \"m.wasm\"\n";

#[test]
fn job_files_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    // The job file's own page has a test beside the reader.
    for page in Page::all().into_iter().filter(|p| p.path.file_name().is_some_and(|n| n != "job-file.md")) {
        for block in page.blocks().into_iter().filter(|b| b.language == "toml") {
            if block.text.contains("[package]") || block.text.contains("[dependencies]") {
                continue;
            }
            let whole = block.text.contains("[function]");
            let text = if whole { block.text.clone() } else { format!("{LEAST}{}", block.text) };
            // A pattern must match something.
            for word in text.split('"').filter(|w| w.contains('*') && w.contains('.')) {
                let path = folder.path().join(word.replace("**", "x").replace('*', "x"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            if let Err(mistakes) = load_text("job.toml", text, folder.path(), &[]) {
                wrong.push(format!("{}:\n{mistakes}", block.place));
            }
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 3, "{seen}");
}
