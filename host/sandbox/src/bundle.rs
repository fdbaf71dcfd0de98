//! A Python function as it is shipped, hashed and cached: its program, and the files that it may read, in one piece.
//!
//! The same files make the same bytes, on every machine and at any time. Whoever reads a bundle checks it as if it came
//! from an enemy: the paths become files.

use serde::{Deserialize, Serialize};

/// First bytes of a bundle.
const MAGIC: &[u8] = b"tilefn-bundle-1\n";
/// Most files of a bundle.
const MAX_FILES: usize = 10_000;
/// Longest path, in bytes.
const MAX_PATH: usize = 1_000;
/// Most bytes of the list of files.
const MAX_LIST: usize = 16 << 20;

/// A file of a bundle: its path, relative to the program's folder and with `/`, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    pub path: String,
    pub content: Vec<u8>,
}

/// What a bundle's bytes say. The first file is the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundle<'a> {
    pub files: Vec<(String, &'a [u8])>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    program: String,
    files: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    path: String,
    bytes: u64,
}

/// Whether these are a bundle's bytes.
pub(super) fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Packs a program and the other files.
///
/// # Errors
/// What is wrong with a path, as a sentence without its end.
pub fn pack(program: BundleFile, mut others: Vec<BundleFile>) -> Result<Vec<u8>, String> {
    others.sort_by(|a, b| a.path.cmp(&b.path));
    others.dedup_by(|a, b| a.path == b.path);
    others.retain(|file| file.path != program.path);
    let list = List {
        program: program.path.clone(),
        files: std::iter::once(&program)
            .chain(&others)
            .map(|file| Item { path: file.path.clone(), bytes: file.content.len() as u64 })
            .collect(),
    };
    check_paths(&list)?;
    let json = serde_json::to_vec(&list).map_err(|e| e.to_string())?;
    let len =
        u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_LIST).ok_or("its list of files is too long")?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&json);
    for file in std::iter::once(&program).chain(&others) {
        bytes.extend_from_slice(&file.content);
    }
    Ok(bytes)
}

impl<'a> Bundle<'a> {
    /// Reads a bundle.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("it doesn't begin as one")?;
        let (len, rest) = rest.split_first_chunk::<4>().ok_or("it ends too soon")?;
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        if len > MAX_LIST {
            return Err("its list of files is too long".to_owned());
        }
        let (json, mut rest) = rest.split_at_checked(len).ok_or("it ends too soon")?;
        let list: List = serde_json::from_slice(json).map_err(|_| "its list of files can't be read")?;
        check_paths(&list)?;
        let mut files = Vec::with_capacity(list.files.len());
        for Item { path, bytes } in list.files {
            let content = usize::try_from(bytes).ok().and_then(|len| rest.split_at_checked(len));
            let (content, after) = content.ok_or("it ends too soon")?;
            files.push((path, content));
            rest = after;
        }
        if !rest.is_empty() {
            return Err("there are bytes after its last file".to_owned());
        }
        Ok(Self { files })
    }
}

/// The program comes first, the others follow in the order of their paths, and every path stays below its folder.
fn check_paths(list: &List) -> Result<(), String> {
    if list.files.len() > MAX_FILES {
        return Err(format!("it has {} files, the limit is {MAX_FILES}", list.files.len()));
    }
    let (first, others) = list.files.split_first().ok_or("it has no program")?;
    if first.path != list.program {
        return Err("its program isn't its first file".to_owned());
    }
    if !others.is_sorted_by(|a, b| a.path < b.path) || others.iter().any(|file| file.path == first.path) {
        return Err("its files aren't in order".to_owned());
    }
    let shown = |path: &str| super::text::sanitise(path.as_bytes(), 200);
    match list.files.iter().find(|file| !is_path(&file.path)) {
        Some(file) => Err(format!("`{}` isn't the path of a file below the program's folder", shown(&file.path))),
        None => Ok(()),
    }
}

fn is_path(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    path.len() <= MAX_PATH && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> BundleFile {
        BundleFile { path: path.to_owned(), content: content.as_bytes().to_vec() }
    }

    #[test]
    fn what_is_packed_is_read() {
        let packed =
            pack(file("f.py", "import a"), vec![file("z.npy", "\0\u{1}"), file("a/b.py", ""), file("f.py", "x")]);
        let packed = packed.unwrap();
        let read = Bundle::read(&packed).unwrap();
        let files: Vec<_> = read.files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
        assert_eq!(files, [("f.py", &b"import a"[..]), ("a/b.py", b""), ("z.npy", b"\0\x01")]);
        let other_order = pack(file("f.py", "import a"), vec![file("a/b.py", ""), file("z.npy", "\0\u{1}")]).unwrap();
        assert_eq!(packed, other_order);
    }

    #[test]
    fn paths_stay_in_their_folder() {
        for path in ["../a", "/etc/passwd", "a/../b", "a//b", "./a", "a/", "", "a\\b", "a\0b", &"x".repeat(1001)] {
            let packed = pack(file("f.py", ""), vec![file(path, "")]);
            assert!(
                packed.is_err_and(|e| e.ends_with("isn't the path of a file below the program's folder")),
                "{path}"
            );
        }
    }

    #[test]
    fn a_damaged_bundle_is_refused() {
        let packed = pack(file("f.py", "abc"), vec![file("b", "de")]).unwrap();
        for end in 0..packed.len() {
            assert!(Bundle::read(&packed[..end]).is_err(), "{end}");
        }
        assert!(Bundle::read(&[&packed[..], b"x"].concat()).is_err());
        let list = |json: &str| [MAGIC, &u32::try_from(json.len()).unwrap().to_le_bytes(), json.as_bytes()].concat();
        for (json, problem) in [
            (r#"{"program":"a","files":[]}"#, "it has no program"),
            (r#"{"program":"a","files":[{"path":"b","bytes":0}]}"#, "its program isn't its first file"),
            (r#"{"program":"b","files":[{"path":"b","bytes":0},{"path":"b","bytes":0}]}"#, "its files aren't in order"),
            (r#"{"program":"b","files":[{"path":"b","bytes":18446744073709551615}]}"#, "it ends too soon"),
            (r#"{"program":"b","files":[{"path":"b","bytes":-1}]}"#, "its list of files can't be read"),
            ("[", "its list of files can't be read"),
        ] {
            assert_eq!(Bundle::read(&list(json)).unwrap_err(), problem, "{json}");
        }
    }
}
