//! Which files a job may write: nothing that it reads, nothing twice, and what a link leads to.

use crate::support::{Folder, assert_message};
use std::fs;
use std::os::unix::fs::symlink;

/// A job from `a.tif` to `out.tif`.
fn copying() -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 30))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'out.tif'\n");
    f
}

/// What must be refused, also by a dry run, and leave every file as it is.
#[track_caller]
fn refused(f: &Folder, arguments: &str, expected: &str) {
    let state = || {
        let files = f.files().into_iter().filter(|name| f.path().join(name).is_file());
        files.map(|name| (fs::read(f.path().join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    let before = state();
    for more in ["", " --dry-run"] {
        let run = f.run(&format!("--overwrite {arguments}{more}"));
        let message = run.error(2).replace(f.path().to_str().unwrap(), "~");
        assert!(message.contains(expected), "{arguments}{more}: {message}\nexpected\n{expected}");
        assert!(state() == before, "{arguments}{more}");
    }
}

#[test]
fn an_output_is_no_input() {
    let f = copying();
    f.python(
        "
        write('b.tif', ramp(20, 30))
        os.mkdir('deep')
        gdal.BuildVRT('deep/inner.vrt', ['b.tif'])
        gdal.BuildVRT('outer.vrt', ['deep/inner.vrt'])
        write('raw.bil', ramp(20, 30), driver='EHdr')
        write('c.nc', ramp(20, 30), driver='netCDF')
        import zipfile
        zipfile.ZipFile('z.zip', 'w').write('a.tif')
        write('masked.tif', ramp(20, 30))
        dataset = gdal.Open('masked.tif', gdal.GA_ReadOnly)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.BuildOverviews('NEAREST', [2])
        ",
    );
    fs::hard_link(f.path().join("a.tif"), f.path().join("hard.tif")).unwrap();
    symlink("a.tif", f.path().join("soft.tif")).unwrap();
    symlink(".", f.path().join("here")).unwrap();
    let input = "is read by input \"image\" as well";
    for output in ["a.tif", "./a.tif", "deep/../a.tif", "here/a.tif", "hard.tif", "soft.tif"] {
        refused(&f, &format!("--set outputs.copy.path={output}"), input);
    }
    let folder = f.path().to_str().unwrap().to_owned();
    for (path, output) in [
        ("outer.vrt", "outer.vrt"),
        ("outer.vrt", "deep/inner.vrt"),
        ("outer.vrt", "b.tif"),
        ("raw.bil", "raw.hdr"),
        ("masked.tif", "masked.tif.msk"),
        ("masked.tif", "masked.tif.ovr"),
        ("NETCDF:\"c.nc\":Band1", "c.nc"),
        (&*format!("/vsizip/{folder}/z.zip/a.tif"), "z.zip"),
    ] {
        refused(
            &f,
            &format!("--set inputs.image.path={path} --set outputs.copy.path={output} --set outputs.copy.driver=GTiff"),
            input,
        );
    }
    refused(&f, "--set grid.reference=b.tif --set outputs.copy.path=b.tif", "is read as grid.reference as well");
    refused(
        &f,
        "--set grid.extent_from=['b.tif'] --set outputs.copy.path=b.tif",
        "is read for grid.extent_from as well",
    );
    f.python("same('a.tif', ramp(20, 30)); same('b.tif', ramp(20, 30))");
}

#[test]
fn an_output_is_nothing_else_of_the_job() {
    let f = copying();
    let driver = "--set outputs.copy.driver=GTiff";
    refused(
        &f,
        &format!("--set outputs.copy.path=job.toml {driver}"),
        "outputs.copy.path: ~/job.toml is the job file as well",
    );
    fs::copy(crate::support::probe(), f.path().join("f.wasm")).unwrap();
    let module = format!("--set function.module=f.wasm --set outputs.copy.path=f.wasm {driver}");
    refused(&f, &module, "~/f.wasm is the module as well");
    refused(&f, "--report out.tif", "~/out.tif is the report as well");
    refused(&f, "--report a.tif", "--report: a.tif is read by input \"image\" as well");
    refused(&f, "--report job.toml", "--report: job.toml is the job file as well");
    // The ticket is written when workers are waited for.
    let run = f.tilefn(["submit", "job.toml", "--workers", "external", "--set", "workers.ticket=a.tif"]);
    assert!(run.error(2).contains("workers.ticket: "), "{}", run.stderr);
    f.python("same('a.tif', ramp(20, 30))");
}

#[test]
fn an_output_goes_with_no_other() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 30)); os.mkdir('sub')");
    symlink(".", f.path().join("here")).unwrap();
    symlink("x.tif", f.path().join("dangling.tif")).unwrap();
    f.job("doubled", "[inputs.images]\npaths = ['a.tif', 'a.tif']\n[outputs.doubled]\npaths = ['x.tif', 'y.tif']\n");
    for other in ["./x.tif", "sub/../x.tif", "here/x.tif", "dangling.tif"] {
        let set = format!("--set outputs.doubled.paths=['x.tif','{other}']");
        refused(&f, &set, "is written by output \"doubled\" as well");
    }
    fs::write(f.path().join("x.tif"), "old").unwrap();
    fs::hard_link(f.path().join("x.tif"), f.path().join("y.tif")).unwrap();
    refused(&f, "", "y.tif is written by output \"doubled\" as well");
    fs::remove_file(f.path().join("y.tif")).unwrap();
    // Two files with one header, and a file that is the header of another.
    refused(
        &f,
        "--set outputs.doubled.paths=['x.bil','x.img'] --set outputs.doubled.driver=ENVI",
        "has a file x.hdr beside it",
    );
    refused(&f, "--set outputs.doubled.paths=['x.hdr','x.bil'] --set outputs.doubled.driver=ENVI", "x.hdr");
    // A header that is there belongs to something else.
    fs::remove_file(f.path().join("x.tif")).unwrap();
    fs::write(f.path().join("x.hdr"), "mine").unwrap();
    let run = f.run("--set outputs.doubled.paths=['x.bil','y.bil']");
    assert!(run.error(2).contains("x.hdr exists"), "{}", run.stderr);
    assert_eq!(f.read("x.hdr"), "mine");
}

/// What a link leads to is written, and the link stays.
#[test]
fn links_are_followed() {
    let f = copying();
    fs::create_dir(f.path().join("scratch")).unwrap();
    symlink("scratch/real.tif", f.path().join("out.tif")).unwrap();
    let is_link = || fs::symlink_metadata(f.path().join("out.tif")).unwrap().is_symlink();
    // Nothing is there yet, so nothing is replaced.
    f.run("").ok();
    assert!(is_link());
    f.python("same('scratch/real.tif', ramp(20, 30)); write('scratch/real.tif', ramp(5, 5))");
    assert!(f.run("").error(2).contains("out.tif exists"));
    f.run("--overwrite").ok();
    assert!(is_link());
    f.python("same('scratch/real.tif', ramp(20, 30)); assert sorted(os.listdir('scratch')) == ['real.tif']");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif", "scratch"]);
    for (name, problem) in
        [("/dev/null", "is a device, a pipe or a socket, not a file"), ("round.tif", "a link that leads in a circle")]
    {
        fs::remove_file(f.path().join("out.tif")).unwrap();
        symlink(name, f.path().join("out.tif")).unwrap();
        if name == "round.tif" {
            symlink("out.tif", f.path().join(name)).unwrap();
        }
        refused(&f, "", problem);
    }
}

/// What belonged to the file that is replaced is gone, what belongs to others is not.
#[test]
fn stale_sidecars() {
    let f = copying();
    f.python(
        "
        write('out.tif', ramp(20, 30), gt=None, epsg=None)
        for name in ('out.tfw', 'out.wld', 'out.tif.aux.xml', 'out.tif.msk', 'out.tif.ovr', 'other.tfw'):
            open(name, 'w').write('x')
        write('plain.tif', ramp(20, 30), gt=None, epsg=None)
        open('plain.tfw', 'w').write('10\\n0\\n0\\n-10\\n5\\n5\\n')
        assert gdal.Open('plain.tif').GetGeoTransform()[0] == 0
        ",
    );
    f.run("--overwrite").ok();
    assert_eq!(f.files(), ["a.tif", "job.toml", "other.tfw", "out.tif", "plain.tfw", "plain.tif"]);
    // The world file is the input's: it doesn't go.
    let set = "--set inputs.image.path=plain.tif --set outputs.copy.path=plain.tiff";
    f.run(set).ok();
    assert!(f.files().contains(&"plain.tfw".to_owned()));
    // Here it would be the output's.
    f.write("a.tif.msk", "x");
    refused(&f, "--set inputs.image.path=plain.tif --set outputs.copy.path=plain.tif", "is read by input");
}

/// Without a geotransform, the output has none, whether there is a CRS or not.
#[test]
fn no_place_on_the_map() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 30), gt=None); write('b.tif', ramp(20, 30), gt=(0, 1, 0, 0, 0, -1))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'out.tif'\n");
    f.run("").ok();
    f.python(
        "
        out = gdal.Open('out.tif')
        assert out.GetGeoTransform(can_return_null=True) is None and 'MGA zone 55' in out.GetProjection()
        same('out.tif', ramp(20, 30))
        ",
    );
}

/// Settings of GDAL in the environment that would make pixels wrong aren't used, which is said.
#[test]
fn settings_of_gdal_in_the_environment() {
    let f = Folder::new();
    f.python("write('a.tif', np.random.default_rng(1).random((64, 64)).astype('f4'))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'out.tif'\n");
    for (key, value, said) in [
        ("GDAL_TIFF_ENDIANNESS", "BIG", true),
        ("GTIFF_DONT_WRITE_BLOCKS", "YES", true),
        ("GTIFF_IGNORE_READ_ERRORS", "YES", true),
        ("GTIFF_VIRTUAL_MEM_IO", "YES", true),
        ("GTIFF_DIRECT_IO", "YES", true),
        ("GDAL_PAM_ENABLED", "NO", true),
        ("COMPRESS_OVERVIEW", "JPEG", true),
        ("GDAL_NUM_THREADS", "2", false),
        ("GDAL_TIFF_ENDIANNESS", "LITTLE", true),
    ] {
        let run = crate::support::Run::of(
            f.command().args(["run", "job.toml", "--overwrite"]).env(key, value).output().unwrap(),
        );
        run.ok();
        assert_eq!(run.stderr.contains(&format!("{key}={value}")), said, "{}", run.stderr);
        f.python("assert (read('out.tif') == read('a.tif')).all()");
    }
    // By GDAL's own file, too.
    f.write("gdalrc", "[configoptions]\nGDAL_TIFF_ENDIANNESS=BIG\n");
    let command = &mut f.command();
    command.args(["run", "job.toml", "--overwrite"]).env("GDAL_CONFIG_FILE", f.path().join("gdalrc"));
    let run = crate::support::Run::of(command.output().unwrap());
    assert!(run.ok().stderr.contains("GDAL_TIFF_ENDIANNESS=BIG"), "{}", run.stderr);
    f.python("assert (read('out.tif') == read('a.tif')).all()");
}

/// A picture doesn't replace what it shows.
#[test]
fn a_preview_is_no_input() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(20, 30)); dataset = gdal.GetDriverByName('PNG').CreateCopy('a.png', gdal.Open('a.tif')); dataset = None
        gdal.BuildVRT('a.vrt', ['a.png'])
        ",
    );
    let before = fs::read(f.path().join("a.png")).unwrap();
    for raster in ["a.png", "a.vrt"] {
        let run = f.tilefn(["preview", raster, "-o", "./a.png"]);
        assert_message(&f, run.error(2), &format!("./a.png is a file of {raster}, which is to stay"));
        assert_eq!(fs::read(f.path().join("a.png")).unwrap(), before);
    }
}
