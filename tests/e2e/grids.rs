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

/// The message names both files and both grids, and the line in it, run by a shell, makes a file that fits.
#[test]
fn a_file_on_another_grid_comes_with_the_gdalwarp_line() {
    let f = adding();
    f.python(
        "
        write('a.tif', ramp(10, 10))
        write('fine.tif', ramp(30, 30), gt=(499950, 5, 0, 7000050, 0, -5))
        write('shifted it.tif', ramp(10, 10), gt=(500003, 10, 0, 7000000, 0, -10))
        write('zone.tif', ramp(10, 10), epsg=28356)
        write('rotated.tif', ramp(10, 10), gt=(500000, 10, 1, 7000000, 1, -10))
        write('points.tif', ramp(10, 10), gt=None, epsg=None)
        ds = gdal.Open('points.tif', gdal.GA_Update)
        crs = osr.SpatialReference(); crs.ImportFromEPSG(28355)
        ds.SetGCPs([gdal.GCP(500000 + 10 * x, 7000000 - 10 * y, 0, x, y) for x in (0, 10) for y in (0, 10)], crs.ExportToWkt())
        ds = None
        ",
    );
    let outline = |rows: u32, size: u32, corner: &str, zone: u32| {
        format!("{rows} rows × {rows} columns of {size} × {size} from ({corner}) in EPSG:283{zone}")
    };
    let reference = outline(10, 10, "500000, 7000000", 55);
    let on = |zone: &str, path: &str, output: &str| {
        format!(
            "resample it (-r bilinear or cubic for measurements, near for classes): gdalwarp -t_srs EPSG:{zone} \
             -te 500000 6999900 500100 7000000 -tr 10 10 -r near {path} {output}"
        )
    };
    for (name, problem, hint) in [
        (
            "fine.tif",
            format!("its pixels are 5 × 5, not 10 × 10. ~/fine.tif has {}; ", outline(30, 5, "499950, 7000050", 55)),
            on("28355", "~/fine.tif", "~/fine-warped.tif"),
        ),
        (
            "shifted it.tif",
            format!(
                "its pixels are shifted by 0.3 columns and 0 rows. ~/shifted it.tif has {}; ",
                outline(10, 10, "500003, 7000000", 55)
            ),
            format!(
                "set grid.tolerance = 0.3 to take it as it is, or {}",
                on("28355", "'~/shifted it.tif'", "'~/shifted it-warped.tif'")
            ),
        ),
        (
            "zone.tif",
            format!(
                "its CRS is EPSG:28356, not EPSG:28355. ~/zone.tif has {}; ",
                outline(10, 10, "500000, 7000000", 56)
            ),
            on("28355", "~/zone.tif", "~/zone-warped.tif"),
        ),
        (
            "rotated.tif",
            format!(
                "it is rotated (geotransform terms 1 and 1). ~/rotated.tif has {}; ",
                outline(10, 10, "500000, 7000000", 55)
            ),
            on("28355", "~/rotated.tif", "~/rotated-warped.tif"),
        ),
    ] {
        let run = f.tilefn(["run", "job.toml", "--overwrite", "--set", &format!("inputs.other.path={name}")]);
        let expected = format!(
            "job.toml:6:9: inputs.other: ~/{name} does not fit ~/a.tif: {problem}~/a.tif has {reference}\n  \
             hint: {hint}\n1 mistake in the job"
        );
        assert_message(&f, run.error(2), &expected);
        follow(&f, run.error(2), &name.replace(".tif", "-warped.tif"));
    }
    let run = f.run("--overwrite --set inputs.other.path=points.tif");
    assert!(run.error(2).contains("points.tif has ground control points instead of a geotransform"), "{}", run.stderr);
    follow(&f, run.error(2), "points-warped.tif");
    f.python("same('points-warped.tif', ramp(10, 10))");
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
    let run = f.run("--overwrite --set inputs.other.path=more.tif");
    assert!(advice(run.error(2)).starts_with("set grid.tolerance = 0.02 to take it as it is, or "), "{}", run.stderr);
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
    for name in ["zone", "datum", "south"] {
        assert!(run("a", name).error(2).contains("its CRS is EPSG:"), "{name}");
    }
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
