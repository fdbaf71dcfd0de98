//! Markdown pages of the repository: their headings and code blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A page.
pub struct Page {
    /// Where it is, from the repository's root.
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block of code.
pub struct Block {
    /// Where it starts, for messages: `docs/start.md:12`.
    pub place: String,
    /// What follows the fence: `sh`, `toml`, ….
    pub language: String,
    pub text: String,
    /// The last line of text before it.
    pub before: String,
}

impl Page {
    /// The page at a path from the repository's root.
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text =
            fs::read_to_string(Path::new(ROOT).join(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { path, text }
    }

    /// All pages that people read here.
    pub fn all() -> Vec<Self> {
        let mut found = Vec::new();
        for folder in ["", "docs", "examples", "guest-sdk", "docker", "bench"] {
            collect(Path::new(folder), !folder.is_empty(), &mut found);
        }
        assert!(found.len() > 10);
        found
    }

    /// Its code blocks, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut before = String::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let code: Vec<_> = lines.by_ref().map(|(_, line)| line).take_while(|l| l.trim() != "```").collect();
                blocks.push(Block {
                    place: format!("{}:{}", self.path.display(), n + 1),
                    language: language.to_owned(),
                    text: code.join("\n") + "\n",
                    before: std::mem::take(&mut before),
                });
            } else if !line.trim().is_empty() {
                before = line.to_owned();
            }
        }
        blocks
    }

    /// Its text without code blocks.
    pub fn prose(&self) -> String {
        let mut inside = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !fence && !inside
        });
        outside.collect::<Vec<_>>().join("\n")
    }

    /// The names by which a link can lead to its headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim());
        headings.map(anchor).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn collect(folder: &Path, deep: bool, found: &mut Vec<Page>) {
    let Ok(entries) = fs::read_dir(Path::new(ROOT).join(folder)) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if deep && entry.file_type().unwrap().is_dir() && entry.file_name() != "target" {
            collect(&path, true, found);
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(Page::read(path));
        }
    }
}

#[test]
fn blocks_and_anchors() {
    let page = Page {
        path: "x.md".into(),
        text: "# A `b`: c-d\n\nRun:\n\n```sh\n# not a heading\nls\n```\ntext\n## Two\n".into(),
    };
    let blocks = page.blocks();
    assert_eq!(blocks.len(), 1);
    let block = &blocks[0];
    assert_eq!((&*block.place, &*block.language, &*block.before), ("x.md:5", "sh", "Run:"));
    assert_eq!(block.text, "# not a heading\nls\n");
    assert_eq!(page.anchors(), ["a-b-c-d", "two"]);
}
