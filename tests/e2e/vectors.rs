//! Vector files as inputs: their features on the working grid, compared with GDAL burning the whole grid at once.

use crate::support::{Folder, assert_message};

/// Sixty squares over the raster `a.tif` and beyond.
const VECTORS: &str = "
import random
random.seed(3)
PLACES = [(random.uniform(-5, 85), random.uniform(-5, 65), random.uniform(1, 25)) for _ in range(60)]
";

fn python(f: &Folder, code: &str) {
    f.python(&format!("{VECTORS}\n{code}"));
}

/// A raster of 60 × 80 pixels, a layer over it, and a job that adds both.
fn adding(more: &str) -> Folder {
    let f = Folder::new();
    python(
        &f,
        "write('a.tif', ramp(60, 80)); squares('fields.gpkg', PLACES); squares('fields.gpkg', PLACES[:9], layer='roads')",
    );
    f.job(
        "add",
        &format!("[inputs.image]\npath = 'a.tif'\n[inputs.other]\nvector = 'fields.gpkg'\n{more}[outputs.add]\npath = 'add.tif'\n"),
    );
    f
}

#[test]
fn features_are_burned_by_every_kind_of_worker_and_for_any_tile() {
    let f = adding("burn_attribute = 'id'\ndtype = 'int16'\nnodata = -1\n");
    for (workers, tile) in [
        ("threads:2", "[16,16]"),
        ("threads:2", "[80,60]"),
        ("processes:2", "[31,16]"),
        ("processes:2 --set workers.reads=worker", "[16,32]"),
    ] {
        let run = f.run(&format!("--overwrite --workers {workers} --set grid.tile={tile}"));
        assert!(!run.ok().stderr.contains("warning"), "{}", run.stderr);
        python(&f, "same('add.tif', ramp(60, 80) + burned('fields.gpkg', ATTRIBUTE='id', nodata=-1))");
    }
}

/// W10 and F42 to F49 of the reference.
#[test]
fn every_setting() {
    let f = adding("");
    for (settings, expected) in [
        ("", "burned('fields.gpkg')"),
        ("burn=7", "burned('fields.gpkg', burn=7)"),
        ("layer=roads", "burned('fields.gpkg', 'roads')"),
        ("layer=1", "burned('fields.gpkg', 'roads')"),
        ("where=\"crop='wheat'\"", "burned('fields.gpkg', where=\"crop = 'wheat'\")"),
        (
            "where=\"id>3 AND id<20\" burn_attribute=id",
            "burned('fields.gpkg', where='id > 3 AND id < 20', ATTRIBUTE='id')",
        ),
        ("burn_attribute=share dtype=float32 nodata=-9", "burned('fields.gpkg', ATTRIBUTE='share', nodata=-9)"),
        ("all_touched=true", "burned('fields.gpkg', ALL_TOUCHED='TRUE')"),
        (
            "burn=-3 dtype=int8 nodata=100 all_touched=true",
            "burned('fields.gpkg', burn=-3, ALL_TOUCHED='TRUE', nodata=100)",
        ),
        ("burn_attribute=fid", "burned('fields.gpkg', ATTRIBUTE='id')"),
    ] {
        let mut arguments: Vec<String> = ["run", "job.toml", "--overwrite"].map(str::to_owned).into();
        for setting in settings.split(' ').fold(Vec::<String>::new(), words) {
            arguments.extend(["--set".to_owned(), format!("inputs.other.{setting}")]);
        }
        f.tilefn(&arguments).ok();
        python(&f, &format!("same('add.tif', ramp(60, 80) + {expected})"));
    }
}

/// Joins words of a quoted text again.
fn words(mut so_far: Vec<String>, word: &str) -> Vec<String> {
    match so_far.last_mut() {
        Some(last) if last.matches('"').count() == 1 => last.push_str(&format!(" {word}")),
        _ if !word.is_empty() => so_far.push(word.to_owned()),
        _ => {}
    }
    so_far
}

/// A function that takes any type gets the band's, and its name.
#[test]
fn a_plan_tells_what_is_burned() {
    let f = Folder::new();
    python(&f, "write('a.tif', ramp(60, 80)); squares('fields.gpkg', PLACES)");
    f.job(
        "copy",
        "[inputs.image]\nvector = 'fields.gpkg'\nburn_attribute = 'id'\ndtype = 'int16'\nnodata = -1\n[grid]\nreference = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = -1\n",
    );
    let run = f.run("--dry-run");
    let line = format!("image        <- {}/fields.gpkg (layer fields as int16, burned)", f.path().display());
    assert!(run.ok().stdout.contains(&line), "{}", run.stdout);
    f.run("").ok();
    python(
        &f,
        "same('copy.tif', np.where(np.isnan(b := burned('fields.gpkg', ATTRIBUTE='id', nodata=-1)), -1, b).astype('i2'))",
    );
}

#[test]
fn mistakes() {
    let f = adding("");
    python(&f, "os.makedirs('x'); squares('x/big.gpkg', PLACES[:2] * 150)");
    let message = |settings: &[&str]| {
        let mut arguments = vec!["run".to_owned(), "job.toml".to_owned()];
        for setting in settings {
            arguments.extend(["--set".to_owned(), format!("inputs.other.{setting}")]);
        }
        let run = f.tilefn(&arguments);
        let message = run.error(2).replace(f.path().to_str().unwrap(), "~");
        let (place, message) = message.split_once(": ").unwrap();
        assert!(place.starts_with("--set inputs.other."), "{place}");
        message.strip_suffix("\n1 mistake in the job").unwrap().to_owned()
    };
    for (settings, expected) in [
        (
            &["layer=rivers"][..],
            "inputs.other.layer: ~/fields.gpkg has no layer \"rivers\"\n  hint: it has: fields, roads",
        ),
        (
            &["layer=2"],
            "inputs.other.layer: ~/fields.gpkg has no layer 2, counted from 0\n  hint: it has: fields, roads",
        ),
        (
            &["burn_attribute=crop"],
            "inputs.other.burn_attribute: attribute \"crop\" of layer \"fields\" of ~/fields.gpkg is of type String, not a number\n  hint: its numeric attributes: fid, id, share",
        ),
        (
            &["burn_attribute=height"],
            "inputs.other.burn_attribute: layer \"fields\" of ~/fields.gpkg has no attribute \"height\"\n  hint: its numeric attributes: fid, id, share",
        ),
        (
            &["burn_attribute=share"],
            "inputs.other.burn_attribute: layer \"fields\" of ~/fields.gpkg, feature 1: uint8 can't hold 0.25\n  hint: set dtype to a type that can hold it",
        ),
        (
            &["vector=x/big.gpkg", "burn_attribute=id"],
            "inputs.other.burn_attribute: layer \"fields\" of ~/x/big.gpkg, feature 256: uint8 can't hold 256\n  hint: set dtype to a type that can hold it",
        ),
        (
            &["crs=EPSG:4326"],
            "inputs.other.crs: ~/fields.gpkg has a CRS of its own, EPSG:28355, which is not EPSG:4326\n  hint: leave `crs` out: it is for files that have none; if the file's own is wrong, correct it with ogr2ogr -a_srs",
        ),
        (
            &["vector=a.tif"],
            "inputs.other.vector: ~/a.tif is a raster file, not a vector file: give it with `path = …`, not `vector = …`",
        ),
        (&["vector=gone.gpkg"], "inputs.other.vector: can't open ~/gone.gpkg: No such file or directory"),
    ] {
        assert_eq!(message(settings), expected);
    }
    let wrong = message(&["where=\"crops='wheat'\""]);
    assert!(wrong.contains("inputs.other.where: ~/fields.gpkg: the filter \"crops='wheat'\" is wrong: "), "{wrong}");
    let run = f.run("--set grid.reference=other");
    assert_message(
        &f,
        run.error(2),
        "--set grid.reference=other: grid.reference: other is a vector input, which has no pixels\n  hint: give a raster file or a raster input, or grid.crs, resolution and bounds\n1 mistake in the job",
    );
}

#[test]
fn what_burns_nothing_is_told() {
    let f = adding("");
    python(
        &f,
        "squares('none.gpkg', []); squares('far.gpkg', [(5000, 5000, 9)]); squares('bare.shp', PLACES, epsg=None, driver='ESRI Shapefile')",
    );
    for (setting, warning) in [
        (
            "where=id>1000",
            "inputs.other.where: no feature of layer \"fields\" of ~/fields.gpkg satisfies \"id>1000\": nothing is burned",
        ),
        ("vector=none.gpkg", "inputs.other: layer \"fields\" of ~/none.gpkg has no features: nothing is burned"),
        (
            "vector=far.gpkg",
            "inputs.other: layer \"fields\" of ~/far.gpkg lies outside the working grid: nothing is burned",
        ),
        (
            "vector=bare.shp",
            "inputs.other: layer \"bare\" of ~/bare.shp has no CRS: its coordinates are taken for the working grid's, EPSG:28355; set inputs.other.crs",
        ),
    ] {
        let run = f.run(&format!("--overwrite --set inputs.other.{setting}"));
        let said = run.ok().stderr.replace(f.path().to_str().unwrap(), "~");
        assert!(said.contains(warning), "{said}");
    }
    python(&f, "same('add.tif', ramp(60, 80) + burned('bare.shp'))");
    let run = f.run("--overwrite --set inputs.other.vector=bare.shp --set inputs.other.crs=EPSG:28355");
    assert!(!run.ok().stderr.contains("has no CRS"), "{}", run.stderr);
}

/// The part of each pixel that squares cover, whose overlaps count twice, but not beyond the whole pixel.
#[test]
fn parts_of_pixels() {
    let f = adding("");
    f.write(
        "parts.toml",
        "[function]\nexpression = 'where(other[1] == 5, other[2], -1)'\n[inputs.other]\nvector = 'fields.gpkg'\nlayer = 'roads'\n\
         burn = 5\nnodata = -9\ncoverage = true\n[grid]\nreference = 'a.tif'\n[outputs.result]\npath = 'parts.tif'\nnodata = -9\n",
    );
    for (workers, tile) in
        [("threads:2", "[80,60]"), ("processes:2", "[16,16]"), ("processes:2 --set workers.reads=worker", "[31,16]")]
    {
        let run = f.tilefn(format!("run parts.toml --overwrite --workers {workers} --set grid.tile={tile}").split(' '));
        let said = "(layer roads as float64, parts of pixels covered by up to 1 value)";
        assert!(run.ok().stderr.contains(said), "{}", run.stderr);
        python(
            &f,
            "
within = lambda n, at, size: np.clip(np.minimum(np.arange(n) + 1, at + size) - np.maximum(np.arange(n), at), 0, 1)
parts = [np.outer(within(60, row, size), within(80, col, size)) for col, row, size in PLACES[:9]]
expected, found = np.minimum(sum(parts), 1), read('parts.tif')[0]
# Positions are rounded to 2^-26 of a pixel.
assert found.shape == (60, 80) and np.allclose(found, np.where(expected == 0, -9, expected), atol=1e-6), (found - expected)[expected > 0]
",
        );
    }
}

#[test]
fn parts_of_pixels_that_cannot_be() {
    let f = adding("burn_attribute = 'id'\nnodata = -1\ncoverage = true\n");
    python(
        &f,
        "os.makedirs('x'); squares('x/big.gpkg', PLACES[:1]); ds = gdal.OpenEx('x/big.gpkg', gdal.OF_UPDATE); ds.ExecuteSQL('UPDATE fields SET id = 9007199254740993'); ds = None",
    );
    python(&f, "squares('many.gpkg', PLACES * 8)");
    let run = f.run("--set inputs.other.vector=many.gpkg --set grid.tile=[80,60] --set limits.memory=2MiB");
    let message = run.error(2);
    assert!(message.contains("limits.memory: a tile of 80 × 60 pixels takes "), "{message}");
    assert!(
        message.contains("× 2 bands, since so many polygons meet in one pixel; raise limits.memory, or set"),
        "{message}"
    );
    let run = f.run("--set inputs.other.vector=x/big.gpkg");
    assert_message(
        &f,
        run.error(2),
        "job.toml:8:18: inputs.other.burn_attribute: layer \"fields\" of ~/x/big.gpkg, feature 1: float64 can't hold 9007199254740993
  hint: number the features otherwise; or leave `coverage` out and set dtype = \"int64\"\n1 mistake in the job",
    );
    f.job(
        "copy_u8",
        "[inputs.image]\nvector = 'fields.gpkg'\ncoverage = true\n[grid]\nreference = 'a.tif'\n[outputs.copy_u8]\npath = 'copy.tif'\n",
    );
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:6:12: inputs.image.coverage: the function takes uint8 here, and parts of pixels are floats
  hint: let the function take float64, or leave `coverage` out\n1 mistake in the job",
    );
}
