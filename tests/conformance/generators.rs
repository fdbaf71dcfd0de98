//! F6, F7: functions without inputs, without outputs, and without either; with every kind of worker, and continued.

use crate::support::{Folder, Running, assert_message};
use serde_json::json;

/// Every kind of worker; there is nothing to be sent to a worker, whoever reads.
const WORKERS: [&str; 4] = ["threads:1", "threads:3", "processes:2", "processes:2 --set workers.reads=worker"];

const GRID: &str =
    "[grid]\ncrs = 'EPSG:28355'\nresolution = [10, 20]\nbounds = [500000, 6999000, 500700, 7000000]\ntile = [32, 16]\n";

/// What Python expects of `generate`: x, y, and x of the pixel `margin` columns to the left.
const EXPECTED: &str = "
rows, cols = np.mgrid[:50, :70]
x, y = 500005.0 + 10 * cols, 6999990.0 - 20 * rows
";

/// F7: a grid is enough. The context has coordinates, halo included, also where no other tile is.
#[test]
fn f7_pixels_without_inputs() {
    let f = Folder::new();
    f.job("generate", &format!("[outputs.generate]\npath = 'out.tif'\n{GRID}"));
    for workers in WORKERS {
        for margin in [0, 3] {
            let report = f.report(&format!("--overwrite --workers {workers} --set params.margin={margin}"));
            assert_eq!((&report["tiles"]["done"], &report["tiles"]["skipped"]), (&json!(12), &json!(0)), "{workers}");
            f.python(&format!(
                "{EXPECTED}
same('out.tif', np.stack([x, y, x - 10 * {margin}]))
ds = gdal.Open('out.tif')
assert ds.GetGeoTransform() == (500000, 10, 0, 7000000, 0, -20) and ds.GetSpatialRef().GetAuthorityCode(None) == '28355'"
            ));
        }
    }
    let dry = f.run("--dry-run --overwrite");
    assert!(dry.ok().stdout.contains("generate: 70 × 50 pixels in 12 tiles of 32 × 16"), "{}", dry.stdout);
    assert!(!dry.stdout.contains("<-"), "{}", dry.stdout);
}

/// F6: no outputs, and neither: what is left is in the report.
#[test]
fn f6_sums_without_inputs_and_outputs() {
    let f = Folder::new();
    let expected = f.python(&format!("{EXPECTED}\nresult = [x.size, float((x + y).sum())]"));
    f.job("count_generated", GRID);
    for workers in WORKERS {
        assert_eq!(f.report(&format!("--workers {workers}"))["result"], expected, "{workers}");
        assert_eq!(f.files(), ["job.toml"]);
    }
    let dry = f.run("--dry-run");
    assert!(dry.ok().stdout.contains("count_generated: 70 × 50 pixels in 12 tiles"), "{}", dry.stdout);
    f.job("generate_and_count", &format!("[outputs.generate_and_count]\npath = 'out.tif'\n{GRID}"));
    assert_eq!(f.report("")["result"], expected);
    f.python(&format!("{EXPECTED}\nsame('out.tif', x)"));
    // A file may say the grid, and nothing else of it counts.
    f.python("write('like.tif', np.zeros((5, 7), 'u1'), nodata=0)");
    f.job("count_generated", "[grid]\nreference = 'like.tif'\n");
    assert_eq!(f.report("")["result"][0], 35);
}

/// Interrupted and continued, each tile counts once.
#[test]
fn f7_continued() {
    let f = Folder::new();
    let expected = f.python(&format!("{EXPECTED}\nresult = [x.size, float((x + y).sum())]"));
    f.job(
        "generate_and_count",
        &format!("[outputs.generate_and_count]\npath = 'out.tif'\n{GRID}").replace("[32, 16]", "[1, 1]"),
    );
    let mut running = Running::start(&f, "--workers threads:1");
    let journal = || f.files().iter().any(|name| name.contains("tilefn"));
    running.wait_until(journal);
    running.signal("INT");
    running.end();
    let report = f.report("--overwrite --resume --workers threads:2");
    assert_eq!(report["result"], expected);
    f.python(&format!("{EXPECTED}\nsame('out.tif', x)"));
}

/// A grid that isn't said whole is a mistake that says how to.
#[test]
fn f7_the_grid_must_be_said() {
    let f = Folder::new();
    let mistake = |grid: &str, expected: &str| {
        f.job("generate", &format!("[outputs.generate]\npath = 'out.tif'\n[grid]\n{grid}"));
        assert_message(&f, f.run("--dry-run").error(2), &format!("{expected}\n1 mistake in the job"));
    };
    let nothing = "grid: nothing says what the working grid is: there is no raster input\n  hint: set grid.reference, or grid.crs, resolution and bounds";
    mistake("", &format!("job.toml:6:2: {nothing}"));
    mistake("bounds = [500000, 6999000, 500700, 7000000]", &format!("job.toml:6:2: {nothing}"));
    let size = "job.toml:7:7: grid.crs: without a raster input a grid needs a resolution, too\n  hint: add resolution = [x, y]";
    mistake("crs = 'EPSG:28355'", size);
    mistake("crs = 'EPSG:28355'\nbounds = [500000, 6999000, 500700, 7000000]", size);
    let extent = "job.toml:6:2: grid: nothing says what the working grid's extent is: there is no raster input\n  hint: add bounds = [xmin, ymin, xmax, ymax], or extent_from = [files]";
    mistake("crs = 'EPSG:28355'\nresolution = [10, 10]", extent);
    // Without a CRS the grid has none.
    f.job("generate", "[outputs.generate]\npath = 'out.tif'\n[grid]\nresolution = [1, 1]\nbounds = [0, 0, 3, 2]\n");
    f.run("").ok();
    f.python("same('out.tif', np.array([[[.5, 1.5, 2.5]] * 2, [[1.5] * 3, [.5] * 3], [[.5, 1.5, 2.5]] * 2])); assert gdal.Open('out.tif').GetProjection() == ''");
}
