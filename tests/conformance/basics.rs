//! Running a function: its pixels, its sums and its failures are the same whoever runs the tiles.

use crate::support::Folder;
use serde_json::json;

/// C1, C2, C3: the mean of a ramp and its reverse, whoever runs the tiles and however large they are.
#[test]
fn c1_c2_c3_mean_of_two_ramps() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('b.tif', ramp()[:, ::-1])");
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif']\n[outputs.mean]\npath = 'mean.tif'\n");
    for set in [
        "",
        "--workers threads:1",
        "--workers processes:2 --set grid.tile=[100,100]",
        "--set workers.count=5 --set grid.tile=[64,64]",
        "--set grid.tile=[77,13]",
        "--set grid.tile=[500,1]",
        "--set grid.tile=[1000,1000]",
    ] {
        f.run(&format!("--overwrite {set}")).ok();
        f.python(
            "
            a, b = ramp(), ramp()[:, ::-1]
            mean = ((a.astype('f4') + b) / 2).astype('u1')
            assert (mean.min(), mean.max(), mean.sum(), mean[0, 0], mean[499, 0]) == (24, 75, 12312752, 25, 75)
            same('mean.tif', mean, nodata=None)
            ",
        );
    }
}

/// C4, W1: every tile counts exactly once in what a function accumulates, and there need be no output.
#[test]
fn c4_w1_every_tile_counts_once() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('big.tif', ramp(2048, 2048))");
    f.job("sum_count", "[inputs.image]\npath = 'a.tif'\n");
    for workers in ["threads:1", "threads:4", "processes:2"] {
        let report = f.report(&format!("--set grid.tile=[100,100] --workers {workers}"));
        assert_eq!(report["tiles"]["done"], 25);
        assert_eq!(report["result"], json!([12375251.0, 250000, 49.501004]));
    }
    let report = f.report("--set inputs.image.path=big.tif --set grid.tile=[256,256] --set workers.count=4");
    assert_eq!(report["result"][0], 207619073.0);
}

/// W2, W3: an error of the function ends the job whatever waits, and reaches the user with the tile, whoever ran it.
#[test]
fn w2_w3_an_error_ends_the_job_and_is_told() {
    let f = Folder::new();
    f.python("write('a.tif', ramp())");
    f.job("fail", "[inputs.image]\npath = 'a.tif'\n[outputs.fail]\npath = 'out.tif'\n[params]\nhow = 'error'\nat = 30\n[grid]\ntile = [10, 10]\n");
    for workers in ["threads:1", "threads:4", "processes:3", "processes:3 --set workers.reads=worker"] {
        let run = f.run(&format!("--workers {workers}"));
        let message = run.error(1);
        let tile = ["tile 30 (row 0, column 30; pixels 0..10 × 300..310)", "tile 30 (row 0, column 30) on worker "];
        let tile = tile[usize::from(workers.starts_with("processes"))];
        assert!(message.starts_with(tile) && message.ends_with(": no sensor called \"WV-9\""), "{workers}: {message}");
        assert_eq!(f.files(), ["a.tif", "job.toml"], "{workers}");
    }
}

/// W14: results of another shape, numbers that a type lacks, types that differ, rotated files, fill values that don't fit: right, or an
/// error with names.
#[test]
fn w14_nothing_is_cut_or_wrapped_silently() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 20)); write('big.tif', np.array([[1000, 5]], 'i2'))");
    let outputs = "[outputs.fail]\npath = 'out.tif'\n[params]\nat = 1\n[grid]\ntile = [10, 10]\n";
    f.job("fail", &format!("[inputs.image]\npath = 'a.tif'\n{outputs}"));
    let run = f.run("--set params.how=size");
    let text = "tile 1 (row 0, column 1; pixels 0..10 × 10..20): output \"fail\": the function returned 10 × 11 pixels, the tile has 10 × 10";
    assert_eq!(run.error(1), text);
    assert!(
        f.run("--set params.how=bands").error(1).contains("output \"fail\": the function returned 2 bands here and 1")
    );
    // 1000 isn't 232: it is clamped, counted and told. 300 is no nodata value of bytes.
    f.job("copy_u8", "[inputs.image]\npath = 'big.tif'\n[outputs.copy_u8]\npath = 'copy.tif'\n");
    let run = f.run("");
    assert!(run.ok().stderr.contains("1 pixel") && run.stderr.contains("beyond the range of uint8"), "{}", run.stderr);
    f.python("same('copy.tif', np.array([[255, 5]], 'u1'))");
    let run = f.run("--overwrite --set outputs.copy_u8.nodata=300");
    assert!(run.error(2).contains("outputs.copy_u8.nodata"), "{}", run.stderr);
    // Bands of two types are read in the type that the function asks for; one that takes the file's own is refused.
    f.python(
        "
        write('b.tif', np.array([[1000, 7]], 'i2'))
        vrt = gdal.BuildVRT('two.vrt', ['big.tif'])
        band = vrt.GetRasterBand(1); vrt = None
        text = open('two.vrt').read()
        second = text[text.index('  <VRTRasterBand'):text.index('</VRTDataset>')].replace('Int16', 'Float32').replace('band=\"1\"', 'band=\"2\"')
        open('two.vrt', 'w').write(text.replace('</VRTDataset>', second + '</VRTDataset>'))
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'two.vrt'\n[outputs.copy]\npath = 'c.tif'\n");
    assert!(f.run("").error(2).contains("band 1 is int16 and band 2 is float32"));
    f.job("copy_f64", "[inputs.image]\npath = 'two.vrt'\n[outputs.copy_f64]\npath = 'c.tif'\n");
    f.run("").ok();
    f.python("same('c.tif', np.array([[[1000, 5]], [[1000, 5]]], 'f8'))");
    // Rows that run north are turned; a rotated file is no reference.
    f.python(
        "
        write('south.tif', ramp(20, 20)[::-1], gt=(500000, 10, 0, 6999800, 0, 10))
        write('rotated.tif', ramp(20, 20), gt=(500000, 9, 3, 7000000, 3, -9))
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'south.tif'\n[outputs.copy]\npath = 'up.tif'\n");
    f.run("").ok();
    f.python("same('up.tif', ramp(20, 20)); assert gdal.Open('up.tif').GetGeoTransform() == GT");
    assert!(f.run("--overwrite --set inputs.image.path=rotated.tif").error(2).contains("rotated"));
}

/// W16: what can't work is refused before anything is begun; a file without nodata is normal input.
#[test]
fn w16_what_can_not_work_is_refused() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 20))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for (set, key) in [
        ("--workers processes:0", "workers"),
        ("--set workers.kind=fargate", "workers"),
        ("--set workers.kind=cluster", "workers.kind"),
        ("--set workers.max_attempts=0", "workers.max_attempts"),
        ("--set outputs.copy.color_table=viridis --set outputs.copy.driver=JPEG", "outputs.copy"),
    ] {
        let run = f.run(set);
        assert!(run.error(2).contains(key), "{set}: {}", run.stderr);
        assert_eq!(f.files(), ["a.tif", "job.toml"], "{set}");
    }
    f.run("").ok();
    f.tilefn(["stats", "copy.tif"]).ok();
    f.python("same('copy.tif', ramp(20, 20), nodata=None)");
}
