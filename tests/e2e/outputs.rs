//! Output files: formats, blocks, overviews, colour tables, what is left and what isn't.

use crate::support::Folder;

#[test]
fn cloud_optimised_geotiff() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(1500, 1300), nodata=100)");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\ndriver = 'COG'\nnodata = 100\nstatistics = true\noverviews = true\n");
    f.run("").ok();
    f.python(
        "
        same('copy.tif', ramp(1500, 1300), nodata=100)
        dataset = gdal.Open('copy.tif')
        assert dataset.GetMetadataItem('LAYOUT', 'IMAGE_STRUCTURE') == 'COG'
        b = band('copy.tif')
        assert b.GetOverviewCount() >= 2 and b.GetBlockSize() == [512, 512]
        valid = ramp(1500, 1300); valid = valid[valid != 100]
        assert abs(float(b.GetMetadataItem('STATISTICS_MEAN')) - valid.mean()) < 1e-6
        ",
    );
    assert_eq!(f.files(), ["a.tif", "copy.tif", "job.toml"]);
}

/// W4: overviews are those of the whole file, whatever the tiles.
#[test]
fn overviews() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(700, 600))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nlevels = [3, 8]\n");
    for tile in ["[100,100]", "[600,32]", "[77,500]"] {
        f.run(&format!("--overwrite --set grid.tile={tile} --workers threads:3")).ok();
        f.python(
            "
            write('gdal.tif', ramp(700, 600))
            dataset = gdal.Open('gdal.tif', gdal.GA_Update)
            dataset.BuildOverviews('NEAREST', [3, 8])
            theirs, mine = dataset.GetRasterBand(1), band('copy.tif')
            assert mine.GetOverviewCount() == 2
            for n in range(2):
                a, b = mine.GetOverview(n).ReadAsArray(), theirs.GetOverview(n).ReadAsArray()
                assert a.shape == b.shape and (a == b).all(), n
            ",
        );
    }
    f.run("--overwrite --set outputs.copy.levels=[2] --set outputs.copy.overview_resampling=average").ok();
    f.python(
        "
        b = band('copy.tif'); found = b.GetOverview(0).ReadAsArray()
        mean = ramp(700, 600).reshape(350, 2, 300, 2).mean((1, 3))
        assert (abs(found - mean) <= 0.5).all() and (found != ramp(700, 600)[::2, ::2]).any()
        ",
    );
}

/// Blocks suit the tiles, compression is on, and creation options of the job go before tilefn's own.
#[test]
fn layout_of_geotiffs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(1024, 1024))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n[grid]\ntile = [512, 512]\n");
    f.run("").ok();
    f.python(
        "
        assert band('copy.tif').GetBlockSize() == [512, 512]
        assert gdal.Open('copy.tif').GetMetadataItem('COMPRESSION', 'IMAGE_STRUCTURE') == 'DEFLATE'
        ",
    );
    f.run("--overwrite --set outputs.copy.options=['COMPRESS=ZSTD','BLOCKXSIZE=128','BLOCKYSIZE=64']").ok();
    f.python(
        "
        assert band('copy.tif').GetBlockSize() == [128, 64]
        assert gdal.Open('copy.tif').GetMetadataItem('COMPRESSION', 'IMAGE_STRUCTURE') == 'ZSTD'
        same('copy.tif', ramp(1024, 1024))
        ",
    );
}

#[test]
fn classes_with_a_colour_table() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(600, 600) // 10)");
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\ncolor_table = 'viridis'\nthematic = true\nhistogram = true\noverviews = true\n",
    );
    f.run("").ok();
    f.python(
        "
        b = band('copy.tif')
        table = b.GetColorTable()
        # The ends of viridis, as matplotlib has them.
        assert table.GetColorEntry(0)[:3] == (68, 1, 84) and table.GetColorEntry(10)[:3] == (253, 231, 37)
        check_histogram(b, read('a.tif'))
        assert (b.GetOverview(0).ReadAsArray() == read('a.tif')[0, ::2, ::2]).all(), 'classes are never averaged'
        ",
    );
}

/// The folder of the output has the output and nothing else; sidecars of a file that was replaced go with it.
#[test]
fn replacing_a_file() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp())
        write('copy.tif', np.zeros((10, 10), 'u1'))
        band('copy.tif').GetStatistics(0, 1)
        assert os.path.exists('copy.tif.aux.xml')
        ",
    );
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    f.run("--overwrite").ok();
    f.python("same('copy.tif', ramp())");
    assert_eq!(f.files(), ["a.tif", "copy.tif", "job.toml"]);
}

/// No block is written twice, and where the job asks for blocks, tiles are as wide as they are.
#[test]
fn tiles_suit_the_blocks_that_an_output_asks_for() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(3000, 2900), options=['TILED=YES', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256'])");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for (options, tile, block) in [
        ("'COMPRESS=ZSTD'", [512, 512], [512, 512]),
        ("'COMPRESS=NONE', 'BLOCKXSIZE=256', 'BLOCKYSIZE=256'", [256, 1024], [256, 256]),
        ("'COMPRESS=NONE', 'ENDIANNESS=BIG', 'TILED=YES'", [256, 1024], [256, 256]),
        ("'COMPRESS=ZSTD', 'BLOCKXSIZE=1024', 'BLOCKYSIZE=1024'", [1024, 1024], [1024, 1024]),
        ("'BLOCKXSIZE=128', 'BLOCKYSIZE=512'", [256, 1024], [128, 512]),
        ("'BLOCKYSIZE=20'", [2900, 1280], [2900, 20]),
        ("'TILED=NO'", [512, 512], [2900, 2]),
    ] {
        let set = format!(
            "--overwrite --workers threads:2 --set outputs.copy.options=[{}]",
            options.replace('\'', "\"").replace(' ', "")
        );
        let run = f.run(&format!("--dry-run --json {set}"));
        let plan: serde_json::Value = serde_json::from_str(run.ok().stdout.trim()).unwrap();
        assert_eq!(plan["tile"], serde_json::json!(tile), "{options}");
        f.run(&set).ok();
        f.python(&format!("same('copy.tif', ramp(3000, 2900))\nassert band('copy.tif').GetBlockSize() == {block:?}"));
    }
}
