//! Rasters far larger than memory: planning and a part of them take no more than a small one.

use crate::support::Folder;
use serde_json::json;

/// 800 000 × 800 000 pixels: 640 gigapixels, without a pixel on disk.
fn huge() -> Folder {
    let f = Folder::new();
    f.python(
        "
        write('small.tif', ramp(512, 512) + 1, nodata=0)
        vrt = gdal.BuildVRT('huge.vrt', ['small.tif'], outputBounds=[500000, -1000000, 8500000, 7000000])
        assert (vrt.RasterXSize, vrt.RasterYSize) == (800000, 800000)
        vrt.FlushCache()
        ",
    );
    f.job("sum_count", "[inputs.image]\npath = 'huge.vrt'\n");
    f
}

#[test]
fn planning_takes_no_memory() {
    let f = huge();
    f.job("copy", "[inputs.image]\npath = 'huge.vrt'\n[outputs.copy]\npath = 'copy.tif'\n");
    let run = f.tilefn(["run", "job.toml", "--dry-run", "--json", "--set", "grid.tile=[256,256]"]);
    run.ok();
    let plan: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&plan["event"], &plan["tiles"]), (&json!("plan"), &json!(3125 * 3125)));
    assert_eq!((&plan["grid"]["rows"], &plan["grid"]["cols"]), (&json!(800_000), &json!(800_000)));
    assert_eq!(f.files(), ["huge.vrt", "job.toml", "small.tif"]);
}

#[test]
fn a_part_takes_no_more_memory_than_a_small_raster() {
    let f = huge();
    let set = "--set grid.tile=[512,512] --workers threads:2";
    // In the south-east corner and at the north-west one, where the pixels are.
    let far = f.report(&format!("{set} --set grid.bounds=[8400000,-1000000,8500000,-990000]"));
    assert_eq!((&far["grid"]["rows"], &far["grid"]["cols"]), (&json!(1000), &json!(10_000)));
    assert_eq!((&far["tiles"]["skipped"], &far["result"][1]), (&json!(40), &json!(0)));
    let near = f.report(&format!("{set} --set grid.bounds=[500000,6990000,600000,7000000]"));
    let sum = f.python("result = float(read('small.tif').sum())");
    assert_eq!(near["result"][0], sum);
    let small = f.report(&format!("{set} --set inputs.image.path=small.tif"));
    assert_eq!(small["result"][0], sum);
    let peak = |report: &serde_json::Value| report["peak_memory"].as_u64().unwrap();
    let room = peak(&small) + (64 << 20);
    assert!(peak(&near) < room && peak(&far) < room, "{} {} {}", peak(&small), peak(&near), peak(&far));
}

/// 128 states of 15 MiB, all but the first of which would wait for the first tile.
#[test]
fn states_that_wait_for_a_slow_tile_take_no_more_than_their_memory() {
    let f = Folder::new();
    f.python("write('a.tif', np.zeros((16, 8), 'u1'))");
    f.job(
        "bulk",
        "[inputs.image]\npath = 'a.tif'\n[params]\nsize = 1572864\nsteps = 1000000000\n[grid]\ntile = [1, 1]\n",
    );
    let report = f.report("--workers threads:2");
    assert_eq!(report["result"], json!([128, 1_572_864]));
    let peak = report["peak_memory"].as_u64().unwrap();
    // 256 MiB that wait, and as much again twice if the journal is written meanwhile; all together are 1.9 GiB.
    assert!(peak < 1280 << 20, "{peak} bytes");
}
