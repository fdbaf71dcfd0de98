//! The jobs of examples/gallery on real scenes; expected.py knows the pixels from numpy.

use crate::support::{Folder, ROOT, scenes};
use std::fs;
use std::path::Path;

/// Runs the jobs with an expression, or those in Python, and compares all that they make.
pub fn compare(python: bool) {
    let f = Folder::new();
    let gallery = f.path().join("examples/gallery");
    fs::create_dir_all(&gallery).unwrap();
    fs::create_dir(f.path().join("demo")).unwrap();
    std::os::unix::fs::symlink(scenes(), f.path().join("demo/data")).unwrap();
    let mut jobs = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("examples/gallery")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(gallery.join(path.file_name().unwrap()), &text).unwrap();
        if path.extension().unwrap() == "toml" && text.contains("\nmodule = ") == python {
            jobs.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(jobs.len() >= 4, "{jobs:?}");
    for job in jobs {
        f.tilefn(["run", &format!("examples/gallery/{job}.toml"), "--make-folders"]).ok();
        f.python(&format!(
            "
            import sys
            sys.path.insert(0, {:?})
            import expected
            os.chdir('demo')
            expected.check({job:?})",
            Path::new(ROOT).join("tests/gallery")
        ));
    }
}
