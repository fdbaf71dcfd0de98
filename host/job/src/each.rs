//! One job file for many scenes: `{path}` and `{stem}` in its texts stand for the scene at hand.

use super::tree::{Data, Node};
use std::path::{Path, PathBuf};

/// The scene that a job is run for.
#[derive(Clone, Debug)]
pub struct Scene {
    path: String,
    stem: String,
}

impl Scene {
    /// A file, or a folder such as a Zarr. None when its name isn't UTF-8.
    pub fn new(path: &Path) -> Option<Self> {
        let absolute = std::path::absolute(path).ok()?;
        Some(Self { path: absolute.to_str()?.to_owned(), stem: path.file_stem()?.to_str()?.to_owned() })
    }

    /// The text with the scene's path and stem, its name without the last extension, put in.
    pub fn put_into(&self, text: &str) -> String {
        // In one pass: a file's own name may have braces.
        let mut made = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            made.push_str(before);
            let known = [("{path}", &self.path), ("{stem}", &self.stem)];
            let found = known.iter().find_map(|(word, value)| Some((*value, from.strip_prefix(*word)?)));
            rest = match found {
                Some((value, after)) => {
                    made.push_str(value);
                    after
                }
                None => {
                    made.push('{');
                    from.get(1..).unwrap_or_default()
                }
            };
        }
        made.push_str(rest);
        made
    }

    /// The file, absolute.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn put_into_tree(&self, node: &mut Node) {
        match &mut node.data {
            Data::Text(text) => *text = self.put_into(text),
            Data::List(items) => items.iter_mut().for_each(|item| self.put_into_tree(item)),
            Data::Table(entries) => entries.iter_mut().for_each(|entry| self.put_into_tree(&mut entry.node)),
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Other(_) => {}
        }
    }
}

/// The files that a pattern matches, sorted by name.
///
/// # Errors
/// What is wrong with the pattern, or that nothing matches.
pub fn scenes(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let options =
        glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, case_sensitive: true };
    let found = glob::glob_with(pattern, options).map_err(|e| format!("{pattern:?}: {}", e.msg))?;
    let mut files = found.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if files.is_empty() {
        return Err(format!("no file matches {pattern:?}"));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_put_into_texts() {
        let scene = Scene::new(Path::new("/data/{path}.2024.tif")).unwrap();
        assert_eq!(scene.put_into("out/{stem}.tif"), "out/{path}.2024.tif", "a name is put in once");
        assert_eq!(scene.put_into("{path}"), "/data/{path}.2024.tif");
        assert_eq!(scene.put_into("{other}"), "{other}");
    }
}
