//! Damaged inputs and full disks.

use crate::support::{fill_target, folder, names, path, python, read_bytes, source_spec, target_spec, write};
use grid::{Tiling, Window};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tilefn_abi::DType;
use tilefn_raster::{Error, Target, TargetSpec, inspect};

#[test]
fn a_truncated_file_is_an_error_not_zeros() {
    let dir = folder();
    for (name, options) in [
        ("plain.tif", "'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'"),
        ("strips.tif", "'BLOCKYSIZE=16'"),
        ("deflate.tif", "'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=DEFLATE'"),
        ("lzw.tif", "'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=LZW', 'INTERLEAVE=PIXEL'"),
        (
            "jpeg.tif",
            "'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'COMPRESS=JPEG', 'PHOTOMETRIC=YCBCR', 'INTERLEAVE=PIXEL'",
        ),
    ] {
        python(
            dir.path(),
            &format!(
                "a = np.random.default_rng(3).integers(1, 255, (3, 256, 256)).astype(np.uint8)
make('{name}', a, [{options}])
os.truncate('{name}', os.path.getsize('{name}') * 2 // 3)"
            ),
        );
        let file = path(dir.path(), name);
        let spec = source_spec(&file, &inspect(&file).unwrap());
        assert!(read_bytes(&spec, Window::new(0, 0, 256, 256)).is_err(), "{name}");
        // Exactly one of the blocks is cut; those before it still read, those after it are errors.
        let error = read_bytes(&spec, Window::new(200, 200, 20, 20)).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{name}: {error}");
        let text = error.to_string();
        let expected = format!("can't read bands 1, 2, 3 of {file} at rows 200..220, columns 200..220 of the file: ");
        assert!(text.starts_with(&expected) && text.len() > expected.len(), "{text}");
        if name != "plain.tif" && name != "strips.tif" && name != "deflate.tif" {
            assert!(read_bytes(&spec, Window::new(0, 0, 20, 20)).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_damaged_block_is_an_error() {
    let dir = folder();
    python(
        dir.path(),
        "make('a.tif', np.random.default_rng(3).integers(1, 255, (256, 256)).astype(np.uint8), ['COMPRESS=DEFLATE'])
data = bytearray(open('a.tif', 'rb').read())
middle = len(data) // 2
data[middle:middle + 200] = bytes(200)
open('a.tif', 'wb').write(data)",
    );
    let file = path(dir.path(), "a.tif");
    let spec = source_spec(&file, &inspect(&file).unwrap());
    let error = read_bytes(&spec, Window::new(0, 0, 256, 256)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("can't read band 1 of {file} at rows 0..256, columns 0..256 of the file: ")));
}

#[test]
fn gdal_itself_prints_nothing() {
    // Runs the tests above in a process of their own and looks at its stderr.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::a_damaged_block_is_an_error", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

const FULL_DISK: &str = "TILEFN_TEST_FULL_DISK";

/// Runs a test of this file with a limit on the size of files, which stands for the end of the disk. It holds for a whole process, hence
/// a new one.
#[track_caller]
fn run_child(limit: &str, test: &str, variant: &str, dir: &Path) {
    let output = Command::new("/bin/sh")
        .args(["-c", &format!(r#"{limit}; exec "$0" --exact faults::{test} --ignored --nocapture"#)])
        .arg(std::env::current_exe().unwrap())
        .env(FULL_DISK, format!("{variant}:{}", dir.display()))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{variant}: {out}\n{err}");
}

/// What the child is to do, and where, if it is one. Writing on at the end of the disk is an error for it, not its end.
fn child() -> Option<(String, PathBuf)> {
    let task = std::env::var(FULL_DISK).ok()?;
    let (variant, dir) = task.split_once(':').unwrap();
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, ignored).unwrap();
    Some((variant.to_owned(), dir.into()))
}

#[test]
fn a_full_disk_is_noticed() {
    for variant in ["deflate", "plain", "late", "copy"] {
        let dir = folder();
        run_child("ulimit -f 200", "full_disk_child", variant, dir.path());
        assert_eq!(names(dir.path()), ["out.tif"]);
        assert_eq!(fs::read_to_string(dir.path().join("out.tif")).unwrap(), "old");
    }
}

#[test]
#[ignore = "run by a_full_disk_is_noticed"]
fn full_disk_child() {
    let Some((variant, dir)) = child() else { return };
    fs::write(dir.join("out.tif"), "old").unwrap();
    let noise = |_: i64, r: i64, c: i64| ((r * 7919 + c * 104_729) ^ (r * c)).wrapping_mul(2_654_435_761) as i32;
    let options = if variant == "plain" { vec!["COMPRESS=NONE".to_owned()] } else { vec![] };
    // Blocks that tiles cut are written later than their tiles.
    let tile = if variant == "late" { (100, 100) } else { (128, 128) };
    let driver = (variant == "copy").then(|| "COG".to_owned());
    let spec = TargetSpec { options, tile, driver, ..target_spec(&dir, "out.tif", (512, 512), DType::Int32) };
    let error = write(spec, noise).unwrap_err();
    match (variant.as_str(), &error) {
        ("late" | "copy", Error::Finish { .. } | Error::Write { .. }) | (_, Error::Write { .. }) => {}
        _ => panic!("{error}"),
    }
    assert!(error.to_string().contains("out.tif"), "{error}");
}

/// What GDAL has in mind of a file after a failed write is not to be relied on: blocks that it writes later can land in the wrong place.
#[test]
fn what_could_not_be_written_once_is_as_it_was_at_the_last_checkpoint() {
    for variant in ["write", "checkpoint"] {
        let dir = folder();
        run_child("ulimit -S -f 2700", "room_again_child", variant, dir.path());
        python(
            dir.path(),
            "
row, col = np.mgrid[0:1024, 0:512]
assert (read('out.tif') == row * 1000 + col).all()",
        );
    }
}

#[test]
#[ignore = "run by what_could_not_be_written_once_is_as_it_was_at_the_last_checkpoint"]
fn room_again_child() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let Some((variant, dir)) = child() else { return };
    let spec = TargetSpec {
        options: vec!["COMPRESS=NONE".to_owned()],
        tile: (100, 100),
        ..target_spec(&dir, "out.tif", (1024, 512), DType::Int32)
    };
    let mut target = Target::create(spec.clone()).unwrap();
    let tiling = Tiling::new(1024, 512, 100, 100).unwrap();
    let write = |target: &mut Target, tile: u64| {
        let window = tiling.tile(tile).unwrap().window;
        let line = |row: i64| (window.col..window.col_end()).map(move |col| (row * 1000 + col) as i32);
        let pixels: Vec<i32> = (window.row..window.row_end()).flat_map(line).collect();
        target.write(window, bytemuck::cast_slice(&pixels))
    };
    // Two rows of blocks have room; the checkpoint is in the middle of the second.
    for tile in 0..20 {
        write(&mut target, tile).unwrap();
    }
    let checkpoint = target.checkpoint().unwrap().unwrap();
    checkpoint.sync().unwrap();
    let checkpoint = checkpoint.unfinished();
    // Until now what the third row of blocks has waits in memory.
    for tile in 20..36 {
        write(&mut target, tile).unwrap();
    }
    let error = if variant == "write" {
        (36..tiling.count()).find_map(|tile| write(&mut target, tile).err()).unwrap()
    } else {
        target.checkpoint().map(drop).unwrap_err()
    };
    let (Error::Write { reason: first, .. } | Error::Finish { reason: first, .. }) = error else { panic!("{error}") };
    let mut limit = getrlimit(Resource::Fsize);
    limit.current = limit.maximum;
    setrlimit(Resource::Fsize, limit).unwrap();
    // There is room again, but not for this file; what is said is the first cause.
    for error in [write(&mut target, 30).unwrap_err(), target.checkpoint().map(drop).unwrap_err()] {
        let (Error::Write { reason, .. } | Error::Finish { reason, .. }) = &error else { panic!("{error}") };
        assert_eq!(*reason, first, "{error}");
    }
    target.keep(true);
    drop(target);
    let mut target = Target::resume(spec, &checkpoint).unwrap();
    for tile in 20..tiling.count() {
        write(&mut target, tile).unwrap();
    }
    target.finish(&mut |_| true).unwrap();
}

#[test]
fn a_folder_that_goes_away() {
    let dir = folder();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mut target = Target::create(target_spec(&inner, "out.tif", (10, 10), DType::UInt8)).unwrap();
    fill_target(&mut target, |_, _, _| 1u8).unwrap();
    fs::remove_dir_all(&inner).unwrap();
    assert!(matches!(target.finish(&mut |_| true), Err(Error::Finish { .. })));
}
