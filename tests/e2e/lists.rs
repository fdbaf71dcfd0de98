//! Lists of files, longer than the system allows files to be open, with every kind of worker on this machine.

use crate::support::{Folder, Run, TILEFN};
use std::process::{Command, Stdio};

const KINDS: [&str; 3] =
    ["--workers threads:2", "--workers processes:2", "--workers processes:2 --set workers.reads=worker"];

/// `tilefn run job.toml` where so many files may be open, and no more be asked for.
fn run_with(f: &Folder, files: u32, arguments: &str) -> Run {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--nofile={files}:{files}"))
        .args([TILEFN, "run", "job.toml"])
        .args(arguments.split_whitespace());
    let like = f.command();
    command.current_dir(f.path()).stdin(Stdio::null()).envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
    Run::of(command.output().unwrap())
}

#[test]
fn more_files_than_may_be_open() {
    let f = Folder::new();
    f.python(
        "
        import shutil
        for n in range(7): write(f'v{n}.tif', np.full((8, 12), n * 3, 'u1') + np.arange(12, dtype='u1'))
        os.mkdir('l')
        for n in range(1100): shutil.copy(f'v{n % 7}.tif', f'l/{n:04}.tif')
        ",
    );
    f.job("mean", "[inputs.images]\npaths = ['l/*.tif']\n[outputs.mean]\npath = 'mean.tif'\n[grid]\ntile = [5, 4]\n");
    for kind in KINDS {
        let run = run_with(&f, 256, &format!("--overwrite {kind}"));
        run.ok();
        let folder = f.path().display();
        let line =
            format!("  images       <- 1100 files, {folder}/l/0000.tif to {folder}/l/1099.tif (1 band as uint8)\n");
        assert!(run.stderr.contains(&line), "{}", run.stderr);
        f.python(
            "
            sums = sum(np.full((8, 12), (n % 7) * 3, 'u8') + np.arange(12, dtype='u8') for n in range(1100))
            same('mean.tif', (sums // 1100).astype('u1'))
            os.remove('mean.tif')
            ",
        );
    }
}

/// So many that what is said of a tile is more than 64 KiB.
#[test]
fn ten_thousand_files() {
    let f = Folder::new();
    f.python("write('a.tif', np.arange(12, dtype='u1').reshape(3, 4))");
    let paths = "'a.tif', ".repeat(10_000);
    f.job("mean", &format!("[inputs.images]\npaths = [{paths}]\n[outputs.mean]\npath = 'mean.tif'\n"));
    f.run("--workers processes:1").ok();
    f.python("same('mean.tif', read('a.tif')[0])");
}

#[test]
fn what_can_not_be_open_or_told_is_refused_before_anything_is_begun() {
    let f = Folder::new();
    f.python("write('a.tif', np.zeros((3, 4), 'u1'))");
    let inputs = "'a.tif', ".repeat(300);
    let outputs: String = (0..300).map(|n| format!("'o{n}.tif', ")).collect();
    f.job("doubled", &format!("[inputs.images]\npaths = [{inputs}]\n[outputs.doubled]\npaths = [{outputs}]\n"));
    for dry in ["", "--dry-run"] {
        let run = run_with(&f, 256, dry);
        let error = run.error(2);
        assert!(error.contains(": outputs: 300 files are written at the same time, and the system allows "), "{error}");
        assert!(error.contains(" more open files\n  hint: raise the hard limit (ulimit -Hn)"), "{error}");
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
    }
    // One more than a message can name. With threads there are no messages.
    let inputs = "'a.tif',".repeat(262_145);
    f.job("mean", &format!("[inputs.images]\npaths = [{inputs}]\n[outputs.mean]\npath = 'mean.tif'\n"));
    let run = f.run("--dry-run --workers processes:1");
    let error = run.error(2);
    assert!(
        error.contains(": inputs: 262145 files, workers can be told of 262144\n  hint: make several jobs of it"),
        "{error}"
    );
}

/// Overlapping scenes as one raster, in one line: each rule is numpy's, with threads and with workers that read or are sent pixels.
#[test]
fn a_mosaic_of_overlapping_scenes() {
    let f = Folder::new();
    f.python(
        "
        r = np.random.default_rng(3)
        stack = np.full((3, 60, 90), np.nan)
        for i, (row, col) in enumerate([(0, 0), (10, 30), (25, 50)]):
            a = r.integers(0, 200, (35, 40)).astype('u1')
            write(f's{i}.tif', a, gt=(500000 + 10 * col, 10, 0, 7000000 - 10 * row, 0, -10))
            stack[i, row:row + 35, col:col + 40] = a
        np.save('stack.npy', stack)
        ",
    );
    f.job(
        "add",
        "[inputs.image]\npaths = ['s0.tif', 's1.tif', 's2.tif']\nmosaic = 'first'\n[outputs.add]\npath = 'add.tif'\n",
    );
    for (rule, numpy) in [
        ("first", "np.take_along_axis(s, (~np.isnan(s)).argmax(0)[None], 0)[0]"),
        ("last", "np.take_along_axis(s[::-1], (~np.isnan(s[::-1])).argmax(0)[None], 0)[0]"),
        ("mean", "np.nanmean(s, 0)"),
        ("min", "np.nanmin(s, 0)"),
        ("max", "np.nanmax(s, 0)"),
    ] {
        for more in
            ["", "--workers processes:2 --set workers.reads=worker", "--workers processes:2 --set grid.tile=[16,32]"]
        {
            f.run(&format!("--overwrite --set inputs.image.mosaic={rule} {more}")).ok();
            f.python(&format!(
                "import warnings; warnings.simplefilter('ignore'); s = np.load('stack.npy'); e = ({numpy}).astype('f4'); same('add.tif', e)"
            ));
        }
    }
    // A halo beyond all files mirrors them as one raster.
    f.job("moved", "[inputs.image]\npaths = ['s0.tif', 's1.tif', 's2.tif']\nmosaic = 'last'\n[outputs.moved]\npath = 'moved.tif'\n[params]\nreach = 20\ndown = -20\nright = 15\n[grid]\nedge = 'reflect'\ntile = [32, 32]\n");
    f.run("--overwrite").ok();
    f.python(
        "
        s = np.load('stack.npy'); e = np.take_along_axis(s[::-1], (~np.isnan(s[::-1])).argmax(0)[None], 0)[0]
        padded = np.pad(e, 20, mode='symmetric')
        found = read('moved.tif')[0].astype('f8')
        found[found == band('moved.tif').GetNoDataValue()] = np.nan
        expected = padded[0:60, 35:125]
        assert ((found == expected) | (np.isnan(found) & np.isnan(expected))).all()
        ",
    );
    f.job("add", "[inputs.image]\npaths = ['s0.tif', 's1.tif', 's2.tif']\n[outputs.add]\npath = 'add.tif'\n");
    let run = f.run("--overwrite --set inputs.image.mosaic=median");
    assert!(run.error(2).contains("inputs.image.mosaic: expected one of"), "{}", run.stderr);
    f.job("add", "[inputs.image]\npath = 's0.tif'\nmosaic = 'first'\n[outputs.add]\npath = 'add.tif'\n");
    let run = f.run("--overwrite");
    assert!(run.error(2).contains("inputs.image.mosaic: one file is no mosaic"), "{}", run.stderr);
}

/// A list in which each file has a grid of its own, some a CRS of their own, and fewer may be open than there are.
#[test]
fn a_grid_for_each_file() {
    let f = Folder::new();
    f.python(
        "
        os.mkdir('l'); rng = np.random.default_rng(6)
        write('like.tif', np.zeros((30, 40), 'u1'), gt=(500200, 10, 0, 6999800, 0, -10))
        total = np.zeros((30, 40), 'u4')
        for n in range(120):
            a = rng.integers(1, 250, (100, 110)).astype('u1')
            grid = dict(gt=(147.0 + n * 1e-6, 1e-4, 0, -27.118 - n * 1e-6, 0, -1e-4), epsg=4326) if n % 4 == 0 else \\
                dict(gt=(500000 + 0.7 * n, 8 + n % 5, 0, 7000000 - 0.3 * n, 0, -8 - n % 3))
            write(f'l/{n:03}.tif', a, nodata=0, **grid)
            warped = gdal.Warp('', f'l/{n:03}.tif', format='MEM', dstSRS='EPSG:28355', outputBounds=(500200, 6999500, 500600, 6999800), xRes=10, yRes=10,
                               errorThreshold=0).ReadAsArray()
            assert (warped > 0).all(), n
            total += warped
        np.save('total.npy', total)
        ",
    );
    f.job(
        "mean",
        "[inputs.images]\npaths = ['l/*.tif']\nresampling = 'nearest'\n[outputs.mean]\npath = 'mean.tif'\nnodata = 0\n\
         [grid]\nreference = 'like.tif'\nfootprint = 'reference'\ntile = [16, 16]\n",
    );
    for kind in KINDS {
        run_with(&f, 64, &format!("--overwrite {kind}")).ok();
        f.python("same('mean.tif', (np.load('total.npy') / np.float32(120)).astype('u1'))");
    }
}

/// Files of a list with bands and nodata of their own, one of them a pattern: as a list and as a mosaic, by every kind of worker.
#[test]
fn files_with_their_own_bands_and_nodata() {
    let f = Folder::new();
    f.python(
        "
        r = np.random.default_rng(8)
        a, b = r.integers(0, 12, (1, 40, 50)).astype('u1'), r.integers(0, 12, (3, 40, 50)).astype('u1')
        m = r.integers(-2, 9, (2, 2, 40, 50)).astype('i2')
        write('a.tif', a); write('b.tif', b, nodata=5)
        os.mkdir('m')
        for i in range(2): write(f'm/{i}.tif', m[i])
        part = lambda x, nodata: np.where(x == nodata, np.nan, x.astype('f8'))
        np.save('stack.npy', np.stack([part(a[0], 9), part(b[2], 0), part(m[0, 1], -1), part(m[1, 1], -1)]))
        ",
    );
    let files = "paths = ['a.tif', { path = 'b.tif', bands = [3], nodata = 0 }, { path = 'm/*.tif', bands = [2], nodata = -1 }]\nnodata = 9\n";
    let expected = "s = np.load('stack.npy'); import warnings; warnings.simplefilter('ignore')\n";
    let check = |kind: &str, numpy: &str| {
        let run = f.run(&format!("--overwrite {kind}"));
        assert!(!run.ok().stderr.contains("warning"), "{}", run.stderr);
        f.python(&format!("{expected}assert np.allclose(read('out.tif'), {numpy}, equal_nan=True)"));
    };
    let outputs = "[outputs.out]\npath = 'out.tif'\ndtype = 'float64'\n[grid]\ntile = [16, 16]\n";
    f.write("job.toml", &format!("[function]\nexpression = 'out = mean(files)'\n[inputs.files]\n{files}{outputs}"));
    KINDS.iter().for_each(|kind| check(kind, "np.nanmean(s, 0)"));
    let mosaic = |files: &str| {
        format!("[function]\nexpression = 'out = scene'\n[inputs.scene]\n{files}mosaic = 'max'\n{outputs}")
    };
    f.write("job.toml", &mosaic(files));
    KINDS.iter().for_each(|kind| check(kind, "np.nanmax(s, 0)"));

    // A mistake is said of the file that it is in, or of the pattern.
    let said = |from: &str, to: &str| {
        f.write("job.toml", &mosaic(&files.replace(from, to)));
        f.run("--dry-run --overwrite").error(2).replace(f.path().to_str().unwrap(), "~")
    };
    let several = "job.toml:4:9: inputs.scene.paths: the files of a mosaic have the same number of bands and one type: ~/a.tif has 1 band of \
                   float32, ~/b.tif has 2 bands of float32\n  hint: choose bands = […]; or let the function ask for a type\n1 mistake in the job";
    assert_eq!(said("[3]", "[3, 1]"), several);
    let none =
        "job.toml:4:45: inputs.scene.paths[1].bands: ~/b.tif: there is no band 4: it has 3\n1 mistake in the job";
    assert_eq!(said("[3]", "[4]"), none);
    let uneven =
        "job.toml:4:106: inputs.scene.paths[2].nodata: expected one value, for one band, found 2\n1 mistake in the job";
    assert_eq!(said("-1", "[-1, 0]"), uneven);
    // On the command line each file has its bands, too.
    f.tilefn(["calc", "mean(x)", "-i", "x=a.tif:1", "-i", "x=b.tif:3", "-o", "mean.tif"]).ok();
    f.python("a, b = read('a.tif')[0].astype('f8'), read('b.tif')[2].astype('f8'); assert np.allclose(read('mean.tif')[0], np.where(b == 5, a, (a + b) / 2))");
}
