//! A Python program and the files that go with it, read from the disk and packed in one piece.

use sandbox::{BundleFile, Limits};
use std::fs::{self, File};
use std::io::Read;
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
    let unreadable = |e: std::io::Error| ("module", format!("can't read {}: {e}", program.display()));
    let real = folder.canonicalize().map_err(unreadable)?;
    let mut files = Files { folder, real, files: Vec::new(), left: Limits::default().module_bytes as u64 };
    let content = files.read(&path, program).map_err(|text| ("module", text))?;
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
    /// The same, without links.
    real: PathBuf,
    files: Vec<BundleFile>,
    /// Bytes that they may still have.
    left: u64,
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
        let target = path.canonicalize().map_err(unreadable)?;
        if !target.starts_with(&self.real) {
            return Err(format!(
                "{shown} is a link to {}, outside {}, the program's folder, which is all that it can see",
                target.display(),
                self.folder.display()
            ));
        }
        let content = self.read(&target, path)?;
        self.files.push(BundleFile { path: inside, content });
        Ok(())
    }

    /// Reads a file, as far as there is room for it: what a file's size is can change, and devices and pipes have no end.
    fn read(&mut self, path: &Path, shown: &Path) -> Result<Vec<u8>, String> {
        let shown = shown.display();
        let unreadable = |e: std::io::Error| format!("can't read {shown}: {e}");
        // Before it is opened, which waits for a pipe's other end.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(format!("{shown} isn't a regular file"));
        }
        let mut content = Vec::new();
        File::open(path)
            .and_then(|file| file.take(self.left.saturating_add(1)).read_to_end(&mut content))
            .map_err(unreadable)?;
        self.left = self.left.checked_sub(content.len() as u64).ok_or_else(|| {
            let limit = Limits::default().module_bytes >> 20;
            format!("with {shown} the function's files have more than {limit} MiB")
        })?;
        Ok(content)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("own/data")).unwrap();
        fs::write(folder.path().join("own/f.py"), "import data").unwrap();
        fs::write(folder.path().join("own/data/a"), "a").unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        folder
    }

    fn packed(folder: &tempfile::TempDir, program: &str, include: &str) -> Result<Vec<u8>, Mistake> {
        let own = folder.path().join("own");
        python(&own.join(program), &[own.join(include)])
    }

    #[test]
    fn links_stay_inside_the_folder() {
        let folder = folder();
        assert!(packed(&folder, "f.py", "data").unwrap().ends_with(b"}import dataa"));
        symlink("a", folder.path().join("own/data/b")).unwrap();
        let linked = packed(&folder, "f.py", "data").unwrap();
        assert!(linked.ends_with(b"}import dataaa"));
        for (link, target) in [("c", "../../secret"), ("d", "/dev/zero")] {
            let link = folder.path().join("own/data").join(link);
            symlink(target, &link).unwrap();
            let (key, text) = packed(&folder, "f.py", "data").unwrap_err();
            let begin = format!("{} is a link to {}, outside ", link.display(), link.canonicalize().unwrap().display());
            assert!(key == "include" && text.starts_with(&begin), "{text}");
            fs::remove_file(link).unwrap();
        }
        // A folder that is reached by a link is still the same one.
        symlink("own", folder.path().join("linked")).unwrap();
        let through = folder.path().join("linked");
        assert_eq!(python(&through.join("f.py"), &[through.join("data")]).unwrap(), linked);
    }

    #[test]
    fn pipes_and_devices_are_not_read() {
        let folder = folder();
        let pipe = folder.path().join("own/data/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let expected = format!("{} isn't a regular file", pipe.display());
        assert_eq!(packed(&folder, "f.py", "data").unwrap_err(), ("include", expected.clone()));
        assert_eq!(packed(&folder, "data/pipe", "f.py").unwrap_err(), ("module", expected));
        assert_eq!(packed(&folder, "data", "f.py").unwrap_err().0, "module");
    }
}
