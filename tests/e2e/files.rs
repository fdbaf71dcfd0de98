//! Files that can't be read or written: what the user is told, and what is left.

use crate::support::{Folder, Run, assert_message};
use std::path::Path;
use std::process::Command;

#[test]
fn inputs_that_cannot_be_read() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.write("text.tif", "no raster").write("fields.geojson", r#"{"type":"FeatureCollection","features":[]}"#);
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for (name, expected) in [
        ("gone.tif", "can't open ~/gone.tif: No such file or directory"),
        ("text.tif", "can't open ~/text.tif: `~/text.tif' not recognized as a supported file format."),
        (
            "fields.geojson",
            "~/fields.geojson is a vector file, not a raster: give it with `vector = …`, not `path = …`",
        ),
        (".", "can't open ~/.: `~/.' not recognized as a supported file format."),
    ] {
        let run = f.run(&format!("--set inputs.image.path={name}"));
        let expected = format!("--set inputs.image.path={name}: inputs.image.path: {expected}\n1 mistake in the job");
        assert_message(&f, run.error(2), &expected);
        assert_eq!(f.files(), ["a.tif", "fields.geojson", "job.toml", "text.tif"]);
    }
}

/// A file whose header is fine and whose pixels break off: the tile, the file and the window are named.
#[test]
fn truncated_file() {
    let f = Folder::new();
    f.python(
        "
        rng = np.random.default_rng(1)
        write('a.tif', rng.integers(0, 255, (512, 512), 'u1'), options=['TILED=YES', 'BLOCKXSIZE=128', 'BLOCKYSIZE=128'])
        size = os.path.getsize('a.tif')
        os.truncate('a.tif', size - 128 * 128 * 2)
        write('copy.tif', ramp(5, 5))
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n[grid]\ntile = [128, 128]\n");
    let run = f.run("--overwrite --workers threads:1");
    let message = run.error(1);
    let expected = "tile 14 (row 3, column 2; pixels 384..512 × 256..384): input \"image\": can't read band 1 of ~/a.tif at rows \
                    384..512, columns 256..384 of the file: ";
    assert!(message.replace(f.path().to_str().unwrap(), "~").starts_with(expected), "{message}");
    f.python("same('copy.tif', ramp(5, 5))");
}

/// Damage that GDAL only warns of ends the job, whoever reads; a file with less than its pixels is refused before anything runs.
#[test]
fn damaged_files() {
    let f = Folder::new();
    f.python(
        "
        a = np.random.default_rng(2).integers(1, 255, (256, 256)).astype('u1')
        write('a.tif', a, options=['COMPRESS=JPEG', 'TILED=YES', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'])
        item = lambda name: int(band('a.tif').GetMetadataItem(f'BLOCK_{name}_2_1', 'TIFF'))
        start = item('OFFSET') + item('SIZE') // 2
        data = bytearray(open('a.tif', 'rb').read())
        data[start:start + 200] = bytes(200)
        open('a.tif', 'wb').write(data)
        # To GDAL this is no error.
        assert (gdal.Open('a.tif').ReadAsArray() != a).any()
        write('short.img', a, driver='ENVI')
        os.truncate('short.img', 65535)
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n[grid]\ntile = [64, 64]\n");
    for (workers, code) in [
        ("threads:2", 1),
        ("processes:1 --set workers.reads=controller", 1),
        ("processes:1 --set workers.reads=worker", 3),
    ] {
        let run = f.run(&format!("--workers {workers}"));
        let message = run.error(code);
        assert!(
            message.contains("a.tif at rows 64..128, columns 128..192 of the file: JPEGLib:"),
            "{workers}: {message}"
        );
        assert!(!f.path().join("copy.tif").exists());
    }
    assert_message(
        &f,
        f.run("--set inputs.image.path=short.img").error(2),
        "--set inputs.image.path=short.img: inputs.image.path: ~/short.img: ~/short.img is too short: its pixels take 65536 bytes, \
         and it has 65535. It is damaged, or still being copied\n1 mistake in the job",
    );
}

/// What GDAL finds odd about a file, and reads it all the same, is said once and stands in the report.
#[test]
fn oddities_of_a_file_are_in_the_report() {
    let f = Folder::new();
    f.python(
        "
        for name in ('a.tif', 'b.tif', 'c.tif'):
            write(name, ramp(10, 10), names=['a name'])
            data = open(name, 'rb').read()
            assert data.count(b'a name') == 1
            open(name, 'wb').write(data.replace(b'a name', b'a\\0name'))
        ",
    );
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif', 'c.tif']\n[outputs.mean]\npath = 'mean.tif'\n");
    let report = f.report("");
    let warnings: Vec<_> = report["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert!(warnings.iter().all(|w| w.contains("/a.tif and 2 other files: ")), "{warnings:?}");
    assert_eq!(warnings.iter().filter(|w| w.contains("\"GDALMetadata\"")).count(), 1, "{warnings:?}");
    f.python("same('mean.tif', ramp(10, 10))");
}

#[test]
fn an_output_that_exists() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.write("copy.tif", "mine");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:7:8: outputs.copy.path: ~/copy.tif exists
  hint: add --overwrite to replace it once the job is complete
1 mistake in the job",
    );
    assert_eq!(f.read("copy.tif"), "mine");
    assert_eq!(f.files(), ["a.tif", "copy.tif", "job.toml"]);
    f.run("--overwrite").ok();
    f.python("same('copy.tif', ramp(10, 10))");
    // A dry run touches nothing, and so doesn't mind.
    f.write("copy.tif", "mine");
    f.run("--dry-run --overwrite").ok();
    assert_eq!(f.read("copy.tif"), "mine");
    assert_eq!(f.files(), ["a.tif", "copy.tif", "job.toml"]);
}

#[test]
fn an_output_in_a_folder_that_does_not_exist() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'nowhere/copy.tif'\n");
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:7:8: outputs.copy.path: the folder ~/nowhere doesn't exist\n1 mistake in the job",
    );
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}

/// A file system of a few MiB; unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|o| o.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().unwrap();
    }
}

/// Asserts a full disk's message, and that the outputs are as they were.
#[track_caller]
fn check_full(f: &Folder, run: &Run) {
    let message = run.error(1);
    assert!(message.starts_with("output \"copy\": "), "{message}");
    assert!(message.contains("No space left on device") || message.contains("disk"), "{message}");
    assert!(!f.path().join("disk/copy.tif").exists() && !f.path().join("copy.tif").exists());
}

#[test]
fn full_disk() {
    let f = Folder::new();
    let disk = f.path().join("disk");
    let Some(_disk) = SmallDisk::mount(&disk) else {
        eprintln!("SKIPPED full_disk: it needs root, to mount a small file system");
        return;
    };
    f.python("write('a.tif', np.random.default_rng(1).integers(0, 255, (3000, 3000), 'u1'))");
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'disk/copy.tif'\n[grid]\ntile = [512, 512]\n",
    );
    let warning = format!(
        "warning: the outputs' pixels take 9 MB without compression, and 2 MB are free in {}\n",
        disk.display()
    );
    assert!(f.run("--dry-run").ok().stderr.starts_with(&warning), "{}", f.run("--dry-run").stderr);
    let run = f.run("--workers threads:2");
    check_full(&f, &run);
    // What is kept for --resume is removed by the next run that doesn't resume; here the input is small enough.
    f.python("write('a.tif', ramp(100, 100))");
    assert!(!f.run("").ok().stderr.contains("MB"));
    f.python("same('disk/copy.tif', ramp(100, 100))");
    let left: Vec<_> = std::fs::read_dir(&disk).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["copy.tif"]);
}

/// A folder that can't be written to is found out before the first tile.
#[test]
fn a_folder_that_can_not_be_written_to() {
    let f = Folder::new();
    let disk = f.path().join("disk");
    let Some(_disk) = SmallDisk::mount(&disk) else {
        eprintln!("SKIPPED a_folder_that_can_not_be_written_to: it needs root, to mount a small file system");
        return;
    };
    let read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap();
    assert!(read_only.success());
    f.python("write('a.tif', ramp(100, 100))");
    f.job(
        "fail",
        "[inputs.image]\npath = 'a.tif'\n[outputs.fail]\npath = 'disk/out.tif'\n[params]\nhow = 'error'\nat = 0\n",
    );
    let run = f.run("");
    let message = run.error(1).replace(f.path().to_str().unwrap(), "~");
    let expected = "output \"fail\": can't create ~/disk/out.tif: can't make a file in ~/disk: Read-only file system";
    assert!(message.starts_with(expected), "{message}");
}

/// Two outputs of which the second can't be completed: neither appears.
#[test]
fn one_of_two_outputs_on_a_full_disk() {
    let f = Folder::new();
    let disk = f.path().join("disk");
    let Some(_disk) = SmallDisk::mount(&disk) else {
        eprintln!("SKIPPED one_of_two_outputs_on_a_full_disk: it needs root, to mount a small file system");
        return;
    };
    f.python("for n in range(2): write(f'{n}.tif', np.random.default_rng(n).integers(0, 99, (1300, 1300), 'u1'))");
    // A COG is copied from a temporary file at the end: that is when this disk gets full.
    f.job(
        "doubled",
        "[inputs.images]\npaths = ['0.tif', '1.tif']\n[outputs.doubled]\npaths = ['0x2.tif', 'disk/1x2.tif']\ndriver = 'COG'\n",
    );
    let run = f.run("");
    let message = run.error(1);
    assert!(message.starts_with("output \"doubled\": can't finish"), "{message}");
    assert!(!f.path().join("0x2.tif").exists(), "the other output appeared: {message}");
}
