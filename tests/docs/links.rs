//! Links between pages, and to files and headings.

use super::page::{Page, ROOT};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn links_lead_somewhere() {
    let pages = Page::all();
    let mut broken = Vec::new();
    for page in &pages {
        for target in targets(&page.prose()) {
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            if file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let path = match file {
                "" => page.path.clone(),
                _ => page.path.parent().unwrap_or(Path::new("")).join(file),
            };
            let fits = match Path::new(ROOT).join(&path).canonicalize() {
                Err(_) => false,
                Ok(_) if heading.is_empty() => true,
                Ok(found) => pages
                    .iter()
                    .find(|p| Path::new(ROOT).join(&p.path).canonicalize().is_ok_and(|p| p == found))
                    .is_some_and(|p| p.anchors().iter().any(|a| a == heading)),
            };
            if !fits {
                broken.push(format!("{}: {target}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

/// Targets of `[text](target)`, `src="target"` and `href="target"`.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, end) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
        let rest = text.split(start).skip(1);
        found.extend(rest.filter_map(|rest| rest.split_once(end)).map(|(target, _)| target.to_owned()));
    }
    found
}

/// Comments and messages in the sources name pages, too.
#[test]
fn pages_named_in_sources_exist() {
    let mut missing = Vec::new();
    for folder in ["host", "guest-sdk", "scripts", "docker"] {
        walk(&Path::new(ROOT).join(folder), &mut |path| {
            let Ok(text) = std::fs::read_to_string(path) else { return };
            for word in text.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c))) {
                if word.starts_with("docs/") && word.ends_with(".md") && !Path::new(ROOT).join(word).is_file() {
                    missing.push(format!("{}: {word}", path.display()));
                }
            }
        });
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "target" {
            walk(&entry.path(), visit);
        } else if kind.is_file() {
            visit(&entry.path());
        }
    }
}

/// In these pages `controller/schedule.rs` stands for `host/controller/src/schedule.rs`; other paths are from the root.
#[test]
fn paths_and_types_in_developers_pages_exist() {
    let (mut sources, mut files) = (String::new(), BTreeSet::new());
    for folder in ["host", "guest-sdk"] {
        walk(&Path::new(ROOT).join(folder), &mut |path| {
            if path.extension().is_some_and(|e| e == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
                files.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        });
    }
    let exists = |span: &str| {
        if let Some((first, rest)) = span.split_once('/') {
            let path = match Path::new(ROOT).join("host").join(first) {
                host if host.is_dir() => host.join("src").join(rest),
                _ => Path::new(ROOT).join(span),
            };
            path.exists()
        } else if span.ends_with(".rs") {
            files.contains(span)
        } else if span.contains(char::is_lowercase)
            && span.starts_with(char::is_uppercase)
            && span.chars().all(|c| c.is_alphanumeric() || c == ':')
        {
            let name = span.split("::").next().unwrap();
            let defined = |kind| [" ", ":", "<", "("].map(|end| format!("{kind} {name}{end}"));
            ["struct", "enum", "trait", "type"].into_iter().flat_map(defined).any(|line| sources.contains(&line))
        } else {
            true
        }
    };
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let prose = Page::read(page).prose();
        // A span with a space is a command.
        let spans: Vec<_> = prose.split('`').skip(1).step_by(2).filter(|span| !span.contains(' ')).collect();
        assert!(spans.iter().filter(|span| span.contains('/')).count() > 8);
        let missing: Vec<_> = spans.into_iter().filter(|span| !exists(span)).collect();
        assert!(missing.is_empty(), "{page}: {missing:?}");
    }
}

/// The architecture's picture has every crate of `host`, and an arrow, or a chain of them, wherever one uses another.
#[test]
fn the_architecture_s_picture_is_what_cargo_says() {
    let arrows = |block: &str| {
        let mut arrows = BTreeSet::new();
        for line in block.lines() {
            let Some((from, to)) = line.split_once(" --> ") else { continue };
            arrows.extend(to.split(" & ").map(|to| (from.trim().to_owned(), to.trim().to_owned())));
        }
        arrows
    };
    let blocks = Page::read("ARCHITECTURE.md").blocks();
    let drawn = arrows(&blocks.iter().find(|b| b.language == "mermaid").unwrap().text);
    let mut used = BTreeSet::new();
    let crates: Vec<String> = std::fs::read_dir(Path::new(ROOT).join("host"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in &crates {
        let manifest = std::fs::read_to_string(format!("{ROOT}/host/{name}/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap().keys().filter(|of| crates.contains(of));
        used.extend(dependencies.map(|of| (name.clone(), of.clone())));
    }
    assert!(used.len() > 10);
    assert_eq!(closed(drawn), closed(used));
}

/// With an arrow for each chain of arrows.
fn closed(mut arrows: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    loop {
        let two = |(from, over): &(String, String)| {
            let next = arrows.iter().filter(|(start, _)| start == over);
            next.map(|(_, to)| (from.clone(), to.clone())).collect::<Vec<_>>()
        };
        let chains: Vec<_> = arrows.iter().flat_map(two).filter(|chain| !arrows.contains(chain)).collect();
        if chains.is_empty() {
            return arrows;
        }
        arrows.extend(chains);
    }
}

/// Pages that name tests as evidence, as `module::test`.
#[test]
fn tests_named_as_evidence_exist() {
    let mut tests = BTreeSet::new();
    for folder in ["host", "tests"] {
        walk(&Path::new(ROOT).join(folder), &mut |path| {
            let Some(module) = path.to_str().and_then(|path| path.strip_suffix(".rs")) else { return };
            let module = module.strip_suffix("/tests").unwrap_or(module).rsplit('/').next().unwrap();
            let source = std::fs::read_to_string(path).unwrap();
            let mut is_test = false;
            for line in source.lines().map(str::trim) {
                is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
                if let Some((name, _)) = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')) {
                    tests.extend(is_test.then(|| format!("{module}::{name}")));
                    is_test = false;
                }
            }
        });
    }
    for page in ["docs/security.md", "docs/from-rios.md"] {
        let prose = Page::read(page).prose();
        let names: Vec<_> = prose.split('`').skip(1).step_by(2).filter(|name| is_path_of_test(name)).collect();
        assert!(names.len() > 20, "{page}");
        let missing: Vec<_> = names.iter().filter(|name| !tests.contains(**name)).collect();
        assert!(missing.is_empty(), "{page}: {missing:?}");
    }
    // Whatever RIOS has and tilefn has is shown by a test.
    let prose = Page::read("docs/from-rios.md").prose();
    let rows = prose.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"));
    let bare: Vec<_> = rows.filter(|row| !row.split('`').any(is_path_of_test)).collect();
    assert!(bare.is_empty(), "rows without a test: {bare:#?}");
}

/// `module::test`, not `Context::bounds`.
fn is_path_of_test(text: &str) -> bool {
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    text.split_once("::").is_some_and(|(module, test)| word(module) && word(test))
}

/// The book's table of contents has every page and every decision.
#[test]
fn the_book_is_complete() {
    let contents = Page::read("docs/README.md").text;
    let pages = Page::all();
    let pages = pages.iter().filter_map(|p| p.path.strip_prefix("docs").ok()).filter(|p| *p != Path::new("README.md"));
    let missing: Vec<_> = pages.filter(|p| !contents.contains(&format!("]({})", p.display()))).collect();
    assert!(missing.is_empty(), "docs/README.md has no link to {missing:?}");
}
