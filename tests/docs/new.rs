//! `tilefn new`: what it makes and what it refuses. The tutorial builds, tests and runs it.

use std::path::Path;
use std::process::{Command, Output};

fn new(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
        .arg("new")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn refused(output: &Output, message: &str) {
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("error: {message}\n"));
}

#[test]
fn makes_a_crate() {
    let dir = tempfile::tempdir().unwrap();
    let output = new(dir.path(), &["burn-ratio", "--parent", "my/functions"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = dir.path().join("my/functions/burn-ratio");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for name in ["Cargo.toml", "src/lib.rs", ".cargo/config.toml", ".gitignore", "job.toml", "README.md"] {
        let text = read(name);
        assert!(!text.contains("{{") && !text.contains("}}"), "{name}:\n{text}");
    }
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("burn-ratio"));
    let sdk = manifest["dependencies"]["tilefn-guest"]["path"].as_str().unwrap();
    assert!(Path::new(sdk).is_relative() && folder.join(sdk).join("Cargo.toml").is_file(), "{sdk}");
    assert!(read("src/lib.rs").contains("pub fn burn_ratio("));
    assert!(raster::inspect(folder.join("made-up.tif").to_str().unwrap()).is_ok());
    job::load(folder.join("job.toml").to_str().unwrap(), &[], None).unwrap();
}

/// Two crates of one name, which cargo would give one file in a folder that they share.
#[test]
fn new_crates_build_from_their_own_sdk_in_one_folder() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-cache");
    // Always the same place: cargo keeps what it compiles of each.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-crates");
    let _none = std::fs::remove_dir_all(&dir);
    let sources = dir.join("sources");
    std::fs::create_dir_all(&sources).unwrap();
    let make = |parent: &str, formula: &str| {
        let output = new(&sources, &["ratio", "--parent", parent]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Elsewhere, as on another machine: no path leads back.
        let folder = dir.join(parent);
        std::fs::rename(sources.join(parent).join("ratio"), &folder).unwrap();
        let lib = folder.join("src/lib.rs");
        let text = std::fs::read_to_string(&lib).unwrap();
        std::fs::write(&lib, text.replace("(a - b) / (a + b)", formula)).unwrap();
        // The versions of this repository's own guests, so that nothing newer is fetched.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/tilefn-guest/tests/module/Cargo.lock");
        std::fs::copy(lock, folder.join("Cargo.lock")).unwrap();
        folder
    };
    let tilefn = |folder: &Path, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
            .args(arguments)
            .current_dir(folder)
            .env("XDG_CACHE_HOME", &cache)
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let build = |folder: &Path| {
        tilefn(folder, &["build"]);
        assert!(!folder.join("target").exists());
        std::fs::read(folder.join("ratio.wasm")).unwrap()
    };
    let (one, other) = (make("one", "a / b"), make("other", "a * b - b"));
    let first = build(&one);
    let second = build(&other);
    assert_ne!(first, second);
    assert_eq!(build(&one), first);
    assert!(cache.join("tilefn/build/wasm32-unknown-unknown/release/ratio.wasm").is_file());

    // A module that is older than its sources is told, and built anew.
    let old = "ratio.wasm is older than ";
    assert!(!tilefn(&one, &["run", "job.toml", "--dry-run"]).contains(old));
    let lib = one.join("src/lib.rs");
    std::fs::write(&lib, std::fs::read_to_string(&lib).unwrap().replace("a / b", "a + b")).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().append(true).open(&lib).unwrap().set_modified(later).unwrap();
    let said = tilefn(&one, &["run", "job.toml"]);
    assert!(said.contains(old) && said.contains("src/lib.rs: `tilefn build "), "{said}");
    let said = tilefn(&one, &["run", "job.toml", "--overwrite", "--build"]);
    assert!(!said.contains(old), "{said}");
    let code = "from osgeo import gdal; a = gdal.Open('made-up.tif').ReadAsArray().astype('f4'); \
                found = gdal.Open('ratio.tif').ReadAsArray(); assert (found == a[3] + a[2]).all(), found";
    let python = std::env::var("TILEFN_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let output = Command::new(python).args(["-c", code]).current_dir(&one).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn makes_a_python_function_whose_test_passes() {
    let dir = tempfile::tempdir().unwrap();
    let output = new(dir.path(), &["burn-ratio", "--python"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "made ./burn-ratio: edit ./burn-ratio/burn_ratio.py, then\n  pytest ./burn-ratio\n  tilefn run ./burn-ratio/job.toml\n"
    );
    let folder = dir.path().join("burn-ratio");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for name in ["burn_ratio.py", "test_burn_ratio.py", ".gitignore", "job.toml", "README.md"] {
        let text = read(name);
        assert!(!text.contains("{{") && !text.contains("}}"), "{name}:\n{text}");
    }
    let readme = read("README.md");
    let sdk = readme.split("pip install ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(Path::new(sdk).join("pyproject.toml").is_file(), "{sdk}");
    assert!(raster::inspect(folder.join("made-up.tif").to_str().unwrap()).is_ok());
    job::load(folder.join("job.toml").to_str().unwrap(), &[], None).unwrap();
    // Without pytest, which not every machine has.
    let test = "import test_burn_ratio; test_burn_ratio.test_invalid_where_a_band_is()";
    let python = std::env::var("TILEFN_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
    let python = Command::new(python).args(["-c", test]).env("PYTHONPATH", sdk).current_dir(&folder).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
}

#[test]
fn never_touches_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("ndvi")).unwrap();
    refused(&new(dir.path(), &["ndvi"]), "./ndvi exists");
    assert_eq!(std::fs::read_dir(dir.path().join("ndvi")).unwrap().count(), 0);
}

#[test]
fn refuses_names_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["NDVI", "2d", "a b", "../x", "é", ""] {
        let message =
            format!("{name:?} can't be a function's name: use small letters, digits, - and _, and begin with a letter");
        refused(&new(dir.path(), &[name]), &message);
    }
    for name in ["match", "std", "tilefn-guest"] {
        refused(
            &new(dir.path(), &[name]),
            &format!("{name:?} can't be a function's name: it means something else in Rust"),
        );
    }
    for name in ["lambda", "numpy", "tilefn"] {
        refused(
            &new(dir.path(), &[name, "--python"]),
            &format!("{name:?} can't be a function's name: it means something else in Python"),
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
