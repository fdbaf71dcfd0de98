//! Files beside each other: which lie on one grid, and what the user is told about those that don't.

use crate::support::{Folder, assert_message};
use std::process::Command;

/// A job that adds `a.tif` and `b.tif`.
fn adding() -> Folder {
    let f = Folder::new();
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f
}

/// The message's last line but one: what to do.
fn advice(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("  hint: ")).unwrap_or_default()
}

/// A file whose pixels lie nowhere is refused with the line that gives them a place.
#[test]
fn ground_control_points_come_with_the_gdalwarp_line() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(10, 10))
        write('points.tif', ramp(10, 10), gt=None, epsg=None)
        ds = gdal.Open('points.tif', gdal.GA_Update)
        crs = osr.SpatialReference(); crs.ImportFromEPSG(28355)
        ds.SetGCPs([gdal.GCP(500000 + 10 * x, 7000000 - 10 * y, 0, x, y) for x in (0, 10) for y in (0, 10)], crs.ExportToWkt())
        ds = None
        ",
    );
    let run = f.run("--overwrite --set inputs.other.path=points.tif");
    assert!(run.error(2).contains("points.tif has ground control points instead of a geotransform"), "{}", run.stderr);
    follow(&f, run.error(2), "points-warped.tif");
    f.python("same('points-warped.tif', ramp(10, 10))");
}

/// What gdalwarp makes of a file on a grid, with an exact transformer, added to what is there.
const EXPECT: &str = "
def expect(name, method, scale=1.0):
    x, y = 500000, 7000000
    warped = gdal.Warp('', name, format='MEM', dstSRS='EPSG:28355', outputBounds=(x, y - 600, x + 600, y), xRes=10, yRes=10,
                       resampleAlg=method, errorThreshold=0, dstAlpha=True,
                       warpOptions=[f'XSCALE={scale}', f'YSCALE={scale}'])
    values, alpha = warped.ReadAsArray()
    return (read('a.tif')[0] + np.where(alpha > 0, values.astype('f4'), np.nan)).astype('f4')
";

/// Files on another grid, each with what gdalwarp makes of it with an exact transformer.
#[test]
fn files_on_other_grids_are_resampled() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(60, 60))
        write('fine.tif', ramp(150, 150), gt=(500050, 4, 0, 6999950, 0, -4))
        write('coarse.tif', ramp(30, 30), gt=(499985, 30, 0, 7000015, 0, -30))
        write('shifted.tif', ramp(60, 60), gt=(500003, 10, 0, 7000000, 0, -10))
        write('rotated.tif', ramp(60, 60), gt=(500000, 9, 3, 7000000, 2, -9))
        write('degrees.tif', ramp(80, 80), epsg=4326, gt=(147.001, 0.0001, 0, -27.121, 0, -0.0001))
        ",
    );
    for (name, method, gdal, scale) in [
        ("fine.tif", "average", "average", "0.4"),
        ("fine.tif", "bilinear", "bilinear", "0.4"),
        ("coarse.tif", "cubic", "cubic", "1.0"),
        ("coarse.tif", "nearest", "near", "1.0"),
        ("shifted.tif", "lanczos", "lanczos", "1.0"),
        ("rotated.tif", "nearest", "near", "1.0"),
        ("degrees.tif", "nearest", "near", "1.0"),
        ("degrees.tif", "mode", "mode", "1.0"),
    ] {
        for more in
            ["", "--workers processes:2 --set workers.reads=worker", "--workers processes:2 --set grid.tile=[16,32]"]
        {
            let run = f.run(&format!(
                "--overwrite --set inputs.other.path={name} --set inputs.other.resampling={method} --set grid.footprint=reference {more}"
            ));
            assert!(!run.ok().stderr.contains("warning"), "{}", run.stderr);
            f.python(&format!("{EXPECT}same('add.tif', expect('{name}', '{gdal}', {scale}))"));
        }
    }
}

/// A grid coarser than a file is read from its overviews if the job says so, and then from the one that gdalwarp takes.
#[test]
fn a_coarser_grid_is_read_from_overviews() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(60, 60), gt=(500000, 43, 0, 7000000, 0, -43))
        write('b.tif', np.random.default_rng(8).integers(1, 250, (300, 300)).astype('u1'), nodata=0)
        plain = gdal.Open('b.tif'); gdal.GetDriverByName('GTiff').CreateCopy('plain.tif', plain); plain = None
        ds = gdal.Open('b.tif', gdal.GA_Update); ds.BuildOverviews('NEAREST', [2, 4, 8]); ds = None
        def expect(name, method, ovr, scale):
            warped = gdal.Warp('', name, format='MEM', outputBounds=(500000, 7000000 - 2580, 502580, 7000000), xRes=43, yRes=43, overviewLevel=ovr,
                               resampleAlg=method, errorThreshold=0, dstNodata=0, warpOptions=[f'XSCALE={scale}', f'YSCALE={scale}']).ReadAsArray()
            return read('a.tif')[0] + np.where(warped > 0, warped.astype('f4'), np.nan).astype('f4')
        different = {name: expect('b.tif', 'average', name, scale) for name, scale in [('NONE', 10 / 43), ('AUTO', 40 / 43)]}
        assert (different['NONE'] != different['AUTO']).any()
        for name, a in different.items(): np.save(name + '.npy', a)
        ",
    );
    let how = "--overwrite --set inputs.other.resampling=average --set grid.footprint=reference";
    for more in [
        "",
        "--set grid.tile=[16,16]",
        "--workers processes:2 --set grid.tile=[16,48]",
        "--workers processes:2 --set workers.reads=worker",
    ] {
        f.run(&format!("{how} --set inputs.other.overviews=auto {more}")).ok();
        f.python("same('add.tif', np.load('AUTO.npy'))");
    }
    let dry = f.run(&format!("{how} --dry-run --set inputs.other.overviews=auto"));
    assert!(dry.ok().stdout.contains("b.tif (1 band as float32, resampled: average of overview 1)"), "{}", dry.stdout);
    for more in
        ["", "--set inputs.other.overviews=none", "--set inputs.other.overviews=auto --set inputs.other.path=plain.tif"]
    {
        f.run(&format!("{how} {more}")).ok();
        f.python("same('add.tif', np.load('NONE.npy'))");
    }
}

/// Nearest neighbour is what a job gets that doesn't ask, with a warning; the dry run says how each file gets onto the grid.
#[test]
fn a_job_is_told_that_a_file_is_resampled() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(60, 60))
        write('b.tif', ramp(30, 30), gt=(500000, 20, 0, 7000000, 0, -20))
        write('c.tif', ramp(30, 30), epsg=4326, gt=(147.001, 0.0001, 0, -27.121, 0, -0.0001))
        ",
    );
    let run = f.run("");
    let run = run.ok();
    let warning = "input \"other\": ~/b.tif gets onto the working grid by nearest neighbour, since its pixels are 20 × 20, not 10 × 10: set \
                   inputs.other.resampling to say how \
                   (~/b.tif has 30 rows × 30 columns of 20 × 20 from (500000, 7000000) in EPSG:28355; ~/a.tif has 60 rows × 60 columns \
                   of 10 × 10 from (500000, 7000000) in EPSG:28355)";
    assert!(run.stderr.replace(f.path().to_str().unwrap(), "~").contains(warning), "{}", run.stderr);
    f.python("same('add.tif', (ramp(60, 60).astype('f4') + np.kron(ramp(30, 30), np.ones((2, 2)))).astype('f4'))");
    let dry = f.run("--dry-run --overwrite --set inputs.other.resampling=cubic");
    let dry = dry.ok();
    assert!(dry.stdout.contains("b.tif (1 band as float32, resampled: cubic)"), "{}{}", dry.stdout, dry.stderr);
    let dry = f.run("--dry-run --overwrite --set inputs.other.path=c.tif --set inputs.other.resampling=cubic");
    let dry = dry.ok();
    assert!(dry.stdout.contains("c.tif (1 band as float32, reprojected: cubic)"), "{}", dry.stdout);
}

/// A grid of the job's own without bounds: edges at multiples of the resolution, the extent by the footprint.
#[test]
fn a_grid_with_its_own_crs_and_resolution() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(100, 100), epsg=32633, gt=(500000, 10, 0, 5400000, 0, -10))
        write('b.tif', ramp(100, 100), epsg=32632, gt=(942400, 10, 0, 5414000, 0, -10))
        ",
    );
    let grid = "--set inputs.image.resampling=bilinear --set inputs.other.resampling=bilinear --set grid.crs=EPSG:3035";
    let run = f.run(&format!("{grid} --set grid.footprint=union"));
    assert!(run.error(2).contains("needs a resolution, too"), "{}", run.stderr);
    assert!(
        run.error(2).contains("add resolution = [x, y]; the pixels of ~/a.tif are about 9.98 × 10")
            || run.error(2).contains("are about 10 × "),
        "{}",
        run.stderr
    );
    f.run(&format!("{grid} --set grid.footprint=union --set grid.resolution=[15,15]")).ok();
    f.python(
        "
        ds = gdal.Open('add.tif')
        gt = ds.GetGeoTransform()
        assert gt[0] % 15 == 0 and gt[3] % 15 == 0 and (gt[1], gt[5]) == (15, -15), gt
        x, y, w, h = gt[0], gt[3], ds.RasterXSize, ds.RasterYSize
        def warped(name):
            return gdal.Warp('', name, format='MEM', dstSRS='EPSG:3035', outputBounds=(x, y - 15 * h, x + 15 * w, y), xRes=15, yRes=15,
                             resampleAlg='bilinear', errorThreshold=0, dstAlpha=True).ReadAsArray()
        a, b = warped('a.tif'), warped('b.tif')
        valid = (a[1] > 0) & (b[1] > 0)
        assert ((a[1] > 0) | (b[1] > 0)).any() and w < 2000 and h < 2000
        found = ds.ReadAsArray()
        assert (np.isnan(found) == ~valid).all()
        ",
    );
    let run = f.run(&format!("{grid} --overwrite --set grid.footprint=reference --set grid.resolution=[15,15]"));
    assert!(
        run.error(2).contains("grid.footprint: a grid with its own CRS and resolution has no extent of its own"),
        "{}",
        run.stderr
    );
}

/// Grids that can't be drawn on each other: the globe covers a map of its part, and what goes over the antimeridian is refused with advice.
#[test]
fn around_the_globe() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(50, 50), epsg=32633, gt=(500000, 10000, 0, 5400000, 0, -10000))
        write('globe.tif', np.add.outer(np.arange(180), np.arange(360)).astype('u2'), epsg=4326, gt=(-180, 1, 0, 90, 0, -1))
        write('fiji.tif', ramp(50, 50), epsg=32760, gt=(800000, 1000, 0, 8100000, 0, -1000))
        ",
    );
    f.run("--set inputs.other.path=globe.tif --set inputs.other.resampling=nearest").ok();
    f.python(
        "
        warped = gdal.Warp('', 'globe.tif', format='MEM', dstSRS='EPSG:32633', outputBounds=(500000, 4900000, 1000000, 5400000), xRes=10000,
                           yRes=10000, resampleAlg='near', errorThreshold=0).ReadAsArray()
        same('add.tif', warped.astype('f4') + ramp(50, 50))
        ",
    );
    let run = f.run("--overwrite --set inputs.image.path=globe.tif --set inputs.other.path=fiji.tif --set inputs.other.resampling=nearest");
    assert_message(
        &f,
        run.error(2),
        "job.toml:1:1: grid.footprint: the outline of ~/fiji.tif can't be drawn in the CRS of ~/globe.tif: it goes around a pole, over the \
         antimeridian or beyond what that CRS can express\n  hint: say which part you want with grid.bounds, or take grid.footprint = \
         \"reference\", or a grid.crs for that region\n1 mistake in the job",
    );
    f.run("--overwrite --set inputs.image.path=globe.tif --set inputs.other.path=fiji.tif --set inputs.other.resampling=nearest --set grid.footprint=reference").ok();
}

/// Does what the hint says, and runs the job with the result, if GDAL's programs are there.
fn follow(f: &Folder, message: &str, result: &str) {
    let line = advice(message);
    let line = &line[line.find("gdalwarp").unwrap()..];
    match Command::new("sh").args(["-c", line]).current_dir(f.path()).output() {
        Ok(output) if output.status.code() == Some(127) => eprintln!("SKIPPED: no gdalwarp"),
        output => {
            assert!(output.unwrap().status.success(), "{line}");
            f.tilefn(["run", "job.toml", "--overwrite", "--set", &format!("inputs.other.path={result}")]).ok();
        }
    }
}

/// Differences that move no corner of the raster by a hundredth of a pixel; the outputs have the reference's grid.
#[test]
fn differences_that_move_no_pixel() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(200, 300))
        write('noise.tif', ramp(200, 300), gt=(500000.0000001, 10.000000000000002, 0, 7000000.05, 0, -9.9999999999999))
        write('turned.tif', ramp(200, 300), gt=(500000, 10, 1e-7, 7000000, -1e-7, -10))
        write('more.tif', ramp(200, 300), gt=(500000.2, 10, 0, 7000000, 0, -10))
        ",
    );
    for (other, arguments) in [("noise.tif", ""), ("turned.tif", ""), ("more.tif", "--set grid.tolerance=0.02")] {
        f.run(&format!("--overwrite --set inputs.other.path={other} {arguments}")).ok();
        f.python(
            "same('add.tif', ramp(200, 300).astype('f4') * 2); assert gdal.Open('add.tif').GetGeoTransform() == GT",
        );
    }
    // Beyond the tolerance a file is resampled; by nearest neighbour its pixels stay, but for the column that has no neighbour.
    let run = f.run("--overwrite --set inputs.other.path=more.tif");
    let warning = "more.tif gets onto the working grid by nearest neighbour, since its pixels are shifted by 0.02 columns and 0 rows: set \
                   inputs.other.resampling to say how, or grid.tolerance = 0.02 to take its pixels as they are (";
    assert!(run.ok().stderr.contains(warning), "{}", run.stderr);
    f.python("same('add.tif', ramp(200, 300).astype('f4') * 2)");
}

/// Rows that run north and columns that run west are turned while they are read: with halo, edges, windows that overlap partly, by
/// every kind of worker.
#[test]
fn turned_files_are_read() {
    let f = Folder::new();
    f.python(
        "
        rng = np.random.default_rng(5)
        a = rng.integers(0, 256, (2, 70, 50), 'u1')
        write('up.tif', a)
        write('south.tif', a[:, ::-1], gt=(500000, 10, 0, 6999300, 0, 10))
        write('west.tif', a[:, :, ::-1], gt=(500500, -10, 0, 7000000, 0, -10))
        write('both.tif', a[:, ::-1, ::-1], gt=(500500, -10, 0, 6999300, 0, 10), options=['TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16'])
        write('part.tif', a[:, 10:60, 5:45], gt=(500050, 10, 0, 6999900, 0, -10))
        write('frame.tif', rng.integers(0, 256, (1, 80, 60), 'u1'), gt=(499950, 10, 0, 7000050, 0, -10))
        ",
    );
    let job = "[inputs.image]\npath = 'up.tif'\n[outputs.moved]\npath = 'moved.tif'\n[params]\nreach = 2\ndown = 2\nright = -1\n\
               [grid]\ntile = [16, 16]\nedge = 'reflect'\n";
    f.job("moved", job);
    f.run("").ok();
    f.python("os.rename('moved.tif', 'expected.tif')");
    for name in ["south.tif", "west.tif", "both.tif"] {
        for workers in
            ["--workers threads:2", "--workers processes:1", "--workers processes:1 --set workers.reads=worker"]
        {
            f.run(&format!("--overwrite {workers} --set inputs.image.path={name}")).ok();
            f.python("same('moved.tif', read('expected.tif')); assert gdal.Open('moved.tif').GetGeoTransform() == GT");
        }
    }
    // On a larger and on a smaller grid than its own.
    f.job(
        "copy",
        "[inputs.image]\npath = 'up.tif'\nnodata = 0\n[outputs.copy]\npath = 'copy.tif'\nnodata = 0\n[grid]\ntile = [16, 16]\n",
    );
    for reference in ["frame.tif", "part.tif"] {
        let run = |name: &str| {
            f.run(&format!(
                "--overwrite --set inputs.image.path={name} --set grid.reference={reference} --set grid.footprint=reference"
            ))
            .ok();
        };
        run("up.tif");
        f.python("os.rename('copy.tif', 'expected.tif')");
        for name in ["south.tif", "west.tif", "both.tif"] {
            run(name);
            f.python("same('copy.tif', read('expected.tif'))");
        }
    }
    f.python("same('expected.tif', read('part.tif'), nodata=0)");
}

/// Spellings of one CRS, and heights, make no other grid; the output's CRS is the reference's.
#[test]
fn one_crs_in_many_spellings() {
    let f = adding();
    f.python(
        "
        def crs_of(text, form=None):
            s = osr.SpatialReference(); s.SetFromUserInput(text)
            return s.ExportToWkt([f'FORMAT={form}']) if form else s.ExportToWkt()
        def vrt(name, wkt):
            text = wkt.replace('&', '&amp;').replace('<', '&lt;').replace('\"', '&quot;')
            open(name, 'w').write(f'<VRTDataset rasterXSize=\"8\" rasterYSize=\"8\"><SRS dataAxisToSRSAxisMapping=\"1,2\">{text}</SRS>'
                '<GeoTransform>500000, 10, 0, 7000000, 0, -10</GeoTransform><VRTRasterBand dataType=\"Byte\" band=\"1\">'
                '<SimpleSource><SourceFilename relativeToVRT=\"1\">pixels.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>')
        write('pixels.tif', ramp(8, 8))
        vrt('a.vrt', crs_of('EPSG:32633'))
        same_as = {
            'wkt2': crs_of('EPSG:32633', 'WKT2_2019'), 'esri': crs_of('EPSG:32633', 'WKT1_ESRI'),
            'proj': '+proj=utm +zone=33 +datum=WGS84 +units=m +no_defs', 'ellipsoid': '+proj=utm +zone=33 +ellps=WGS84 +units=m',
            'towgs84': '+proj=utm +zone=33 +ellps=WGS84 +towgs84=0,0,0,0,0,0,0 +units=m', 'heights': 'EPSG:32633+5773',
        }
        for name, text in same_as.items():
            vrt(name + '.vrt', crs_of(text) if text[:1] in '+E' else text)
        vrt('zone.vrt', crs_of('EPSG:32634')); vrt('datum.vrt', crs_of('EPSG:25833')); vrt('south.vrt', crs_of('EPSG:32733'))
        vrt('laea.vrt', crs_of('EPSG:3035')); vrt('laea-esri.vrt', crs_of('EPSG:3035', 'WKT1_ESRI'))
        ",
    );
    let run = |a: &str, b: &str| {
        f.run(&format!("--overwrite --set inputs.image.path={a}.vrt --set inputs.other.path={b}.vrt"))
    };
    for name in ["wkt2", "esri", "proj", "ellipsoid", "towgs84", "heights"] {
        run("a", name).ok();
        f.python("assert 'EPSG\",\"32633' in gdal.Open('add.tif').GetProjection()");
    }
    run("laea", "laea-esri").ok();
    run("heights", "a").ok();
    f.python("assert gdal.Open('add.tif').GetSpatialRef().IsCompound()");
    // Others are other CRS: the pixels lie elsewhere, or have to be reprojected.
    for name in ["zone", "south"] {
        let run = run("a", name);
        assert!(run.error(2).contains("have no pixel in common"), "{name}: {}", run.stderr);
    }
    let run = run("a", "datum");
    assert!(run.ok().stderr.contains("in EPSG:25833"), "{}", run.stderr);
}

/// A file without CRS: refused beside others with the key that says it, read with that key, and never against its own.
#[test]
fn the_crs_of_a_file_that_has_none() {
    let f = adding();
    f.python(
        "write('a.tif', ramp(9, 9)); write('b.tif', ramp(9, 9), epsg=None); write('c.tif', ramp(9, 9), epsg=28356)",
    );
    let outline = |crs: &str| format!("9 rows × 9 columns of 10 × 10 from (500000, 7000000) in {crs}");
    let (with, without) = (outline("EPSG:28355"), outline("no CRS"));
    assert_message(
        &f,
        f.run("").error(2),
        &format!(
            "job.toml:6:9: inputs.other: ~/b.tif does not fit ~/a.tif: it has no CRS. ~/b.tif has {without}; ~/a.tif has {with}\n  \
             hint: if its pixels lie in that CRS, set inputs.other.crs = \"EPSG:28355\"\n1 mistake in the job"
        ),
    );
    let swapped = "--set inputs.image.path=b.tif --set inputs.other.path=a.tif";
    let run = f.run(swapped);
    assert_eq!(advice(run.error(2)), "if its pixels lie in that CRS, set inputs.image.crs = \"EPSG:28355\"");
    for arguments in ["--set inputs.other.crs=EPSG:28355", &format!("{swapped} --set inputs.image.crs=EPSG:28355")] {
        f.run(&format!("--overwrite {arguments}")).ok();
        f.python("same('add.tif', ramp(9, 9).astype('f4') * 2); assert gdal.Open('add.tif').GetSpatialRef().GetAuthorityCode(None) == '28355'");
    }
    // The same CRS in other words is fine; another one isn't.
    let utm = "+proj=utm +zone=55 +south +ellps=GRS80 +units=m +no_defs";
    f.tilefn([
        "run",
        "job.toml",
        "--overwrite",
        "--set",
        "inputs.other.path=a.tif",
        "--set",
        &format!("inputs.other.crs={utm}"),
    ])
    .ok();
    assert_message(
        &f,
        f.run("--overwrite --set inputs.other.path=c.tif --set inputs.other.crs=EPSG:28355").error(2),
        "--set inputs.other.crs=EPSG:28355: inputs.other.crs: ~/c.tif has a CRS of its own, EPSG:28356, which is not EPSG:28355
  hint: leave `crs` out: it is for files that have none; if the file's own is wrong, correct it with gdal_edit.py -a_srs
1 mistake in the job",
    );
    let run = f.run("--overwrite --set inputs.other.crs=EPSG:1");
    assert!(run.error(2).contains("inputs.other.crs: \"EPSG:1\" is no CRS"), "{}", run.stderr);
}

/// Files without a place on the map go with each other, and beside one that has a place they are told how to get it.
#[test]
fn files_without_a_geotransform() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(9, 9), gt=None); write('b.tif', ramp(9, 9), gt=(0, 1, 0, 0, 0, 1))
        write('c.tif', ramp(9, 9))
        ",
    );
    f.run("").ok();
    f.python("same('add.tif', ramp(9, 9).astype('f4') * 2)");
    let run = f.run("--overwrite --set inputs.image.path=c.tif");
    let message = run.error(2).replace(f.path().to_str().unwrap(), "~");
    assert!(message.contains("~/b.tif does not fit ~/c.tif: it has no geotransform. "), "{message}");
    assert_eq!(
        advice(&message),
        "if it covers the same area: gdal_edit.py -a_srs EPSG:28355 -a_ullr 500000 7000000 500090 6999910 ~/b.tif"
    );
    let run = f.run("--overwrite --set inputs.other.path=c.tif");
    assert_eq!(advice(run.error(2)), "set grid.reference to an input that has one");
}

/// Files that are apart are named.
#[test]
fn files_without_a_common_pixel() {
    let f = adding();
    f.python("write('a.tif', ramp(10, 10)); write('b.tif', ramp(10, 10), gt=(600000, 10, 0, 7000000, 0, -10))");
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:1:1: grid.footprint: ~/a.tif and ~/b.tif have no pixel in common, so the intersection of the inputs is empty
1 mistake in the job",
    );
}

/// A grid that the job says itself: where its bounds are no edges of pixels, and where an input has none of its pixels, a warning says so.
#[test]
fn bounds_beside_the_pixels_or_the_inputs() {
    let f = adding();
    f.python(
        "write('a.tif', ramp(10, 10)); write('b.tif', ramp(10, 10), gt=(500400, 10, 0, 7000000, 0, -10)); write('c.tif', ramp(10, 10))",
    );
    let said = |arguments: &str| {
        let run = f.run(&format!("--overwrite {arguments}"));
        run.ok().stderr.replace(f.path().to_str().unwrap(), "~")
    };
    let beside = said("--set inputs.other.path=c.tif --set grid.bounds=[500000,6999958,500055,7000000]");
    let warning = "warning: grid.bounds: the working grid covers [500000.0, 6999960.0, 500060.0, 7000000.0]: its pixels of 10 × 10 have their \
                   edges up to 0.50 pixels from the bounds\n";
    assert!(beside.contains(warning), "{beside}");
    f.python("same('add.tif', ramp(10, 10)[:4, :6].astype('f4') * 2)");
    let far = said("--set grid.bounds=[500000,6999900,500100,7000000]");
    let warning = "warning: input \"other\": ~/b.tif has no pixel on the working grid, so all of the input is invalid (~/b.tif has 10 rows × 10 \
                   columns of 10 × 10 from (500400, 7000000) in EPSG:28355; the grid has 10 rows × 10 columns of 10 × 10 from (500000, \
                   7000000) in EPSG:28355)\n";
    assert!(far.contains(warning) && !far.contains("grid.bounds"), "{far}");
    f.python("assert np.isnan(read('add.tif')).all()");
    let inside = said("--set grid.footprint=union --set grid.tile=[16,16]");
    assert!(!inside.contains("warning"), "{inside}");
}

/// What GDAL can't resample is a mistake in the job, before the first tile.
#[test]
fn what_cannot_be_resampled_is_refused_while_planning() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(60, 60))
        write('big.tif', ramp(60, 60).astype('i8'), epsg=4326, gt=(147.001, 0.0001, 0, -27.121, 0, -0.0001))
        write('masked.tif', ramp(60, 60), epsg=4326, gt=(147.001, 0.0001, 0, -27.121, 0, -0.0001))
        gdal.SetConfigOption('GDAL_TIFF_INTERNAL_MASK', 'YES')
        ds = gdal.Open('masked.tif', gdal.GA_Update); ds.CreateMaskBand(gdal.GMF_PER_DATASET)
        ds.GetRasterBand(1).GetMaskBand().WriteArray(np.full((60, 60), 255, 'u1')); ds = None
        ",
    );
    let run = f.run("--set inputs.other.path=big.tif --set inputs.other.resampling=cubic");
    assert!(
        run.error(2).contains("big.tif: band 1 is int64, which GDAL can't resample without loss"),
        "{}",
        run.stderr
    );
    let run =
        f.run("--set inputs.other.path=masked.tif --set inputs.other.resampling=cubic --set inputs.other.mask=none");
    assert!(
        run.error(2).contains("masked.tif: it has a mask, which GDAL can't leave aside when it resamples"),
        "{}",
        run.stderr
    );
    f.run("--set inputs.other.path=masked.tif --set inputs.other.resampling=cubic").ok();
}

/// Real files: Landsat-7 and a DEM of the same place, in another CRS with other pixels. The sum is gdalwarp's, with nodata where the
/// DEM ends.
#[test]
fn a_scene_with_a_dem() {
    let f = adding();
    let scene = crate::support::scenes().join("olinda");
    let set = format!(
        "--set inputs.image.path={0}/L7_ETMs.tif --set inputs.image.bands=[4] --set inputs.other.path={0}/olinda_dem_utm25s.tif \
         --set inputs.other.resampling=cubic --set grid.reference=image --set grid.footprint=reference --set grid.tile=[100,70]",
        scene.display()
    );
    f.run(&set).ok();
    f.python(&format!(
        "
        image, dem = gdal.Open('{0}/L7_ETMs.tif'), gdal.Open('{0}/olinda_dem_utm25s.tif')
        x, dx, _, y, _, dy = image.GetGeoTransform()
        nodata = dem.GetRasterBand(1).GetNoDataValue()
        warped = gdal.Warp('', dem, format='MEM', dstSRS=image.GetProjection(), xRes=dx, yRes=-dy, resampleAlg='cubic', errorThreshold=0,
                           outputBounds=(x, y + dy * image.RasterYSize, x + dx * image.RasterXSize, y),
                           srcNodata='nan' if nodata is None else nodata, dstNodata='nan').ReadAsArray()
        assert np.isnan(warped).any() and (warped > 0).any()
        same('add.tif', image.GetRasterBand(4).ReadAsArray().astype('f4') + warped)
        ",
        scene.display()
    ));
}
