//! A Python program and the files that go with it, read from the disk and packed in one piece.

use sandbox::{BundleFile, Limits};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Whether a file is a Python program, by its name.
pub fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// What is wrong with a Python program's files: the key of the job file that names the file, and a sentence.
pub type Mistake = (&'static str, String);

/// A Python program and the files that it may read, in one piece.
pub fn python(program: &Path, include: &[PathBuf]) -> Result<Vec<u8>, Mistake> {
    let path = plain(program).map_err(|text| ("module", text))?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(("module", format!("{} isn't a file's name in UTF-8", program.display())));
    };
    let content = fs::read(&path).map_err(|e| ("module", format!("can't read {}: {e}", program.display())))?;
    let mut files = Files { folder, files: Vec::new(), bytes: content.len() as u64 };
    for path in include {
        plain(path).and_then(|path| files.add(&path)).map_err(|text| ("include", text))?;
    }
    let program = BundleFile { path: name.to_owned(), content };
    sandbox::pack(program, files.files).map_err(|text| ("include", text))
}

/// Files to go with a program.
struct Files<'a> {
    /// The program's folder.
    folder: &'a Path,
    files: Vec<BundleFile>,
    bytes: u64,
}

impl Files<'_> {
    /// Adds a file, or all files of a folder and of those in it. Left out is what Python makes itself, and what is hidden.
    fn add(&mut self, path: &Path) -> Result<(), String> {
        let shown = path.display();
        let unreadable = |e: std::io::Error| format!("can't read {shown}: {e}");
        if fs::metadata(path).map_err(unreadable)?.is_dir() {
            for entry in fs::read_dir(path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let name = entry.file_name();
                let skipped = name == "__pycache__" || name.as_encoded_bytes().starts_with(b".");
                // A link to a folder may lead in a circle.
                let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink()) && entry.path().is_dir();
                if !skipped && !linked {
                    self.add(&entry.path())?;
                }
            }
            return Ok(());
        }
        let inside = path.strip_prefix(self.folder).map_err(|_| {
            format!("{shown} is outside {}, the program's folder, which is all that it can see", self.folder.display())
        })?;
        let inside = inside.to_str().ok_or_else(|| format!("{shown} is not a UTF-8 name"))?.to_owned();
        let limit = Limits::default().module_bytes as u64;
        self.bytes = self.bytes.saturating_add(fs::metadata(path).map_err(unreadable)?.len());
        if self.bytes > limit {
            return Err(format!("with {shown} the function's files have more than {} MiB", limit >> 20));
        }
        self.files.push(BundleFile { path: inside, content: fs::read(path).map_err(unreadable)? });
        Ok(())
    }
}

/// The path from the root, without `.` and `..`.
fn plain(path: &Path) -> Result<PathBuf, String> {
    let absolute = std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    Ok(plain)
}
