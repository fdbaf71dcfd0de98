//! Output files: formats, blocks, overviews, colour tables, what is left and what isn't.

use crate::support::{Folder, Running};

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
    // The ends as matplotlib and ColorBrewer have them.
    let ends = [
        ("viridis", "(68, 1, 84)", "(253, 231, 37)"),
        ("magma", "(0, 0, 4)", "(252, 253, 191)"),
        ("gray", "(0, 0, 0)", "(255, 255, 255)"),
        ("RdYlGn", "(165, 0, 38)", "(0, 104, 55)"),
    ];
    for copy in ["copy.tif", "copy.img"] {
        for (ramp, first, last) in ends {
            f.run(&format!("--overwrite --set outputs.copy.path={copy} --set outputs.copy.color_table={ramp}")).ok();
            f.python(&format!(
                "
                b = band('{copy}')
                table = b.GetColorTable()
                assert table.GetColorEntry(0)[:3] == {first} and table.GetColorEntry(10)[:3] == {last}, [table.GetColorEntry(i) for i in (0, 10)]
                assert b.GetMetadataItem('LAYER_TYPE') == 'thematic'
                if '{copy}' == 'copy.tif': check_histogram(b, read('a.tif'))
                assert (b.GetOverview(0).ReadAsArray() == read('a.tif')[0, ::2, ::2]).all(), 'classes are never averaged'
                "
            ));
        }
    }
}

/// Names, colours and counts of classes, as GDAL finds them: whoever runs the tiles, and after a run that was interrupted.
#[test]
fn classes() {
    const IS_RIGHT: &str = "
b = band('NAME')
table = b.GetDefaultRAT()
usages = [table.GetUsageOfCol(i) for i in range(table.GetColumnCount())]
column = {usage: table.ReadAsArray(usages.index(usage)) for usage in (gdal.GFU_Name, gdal.GFU_PixelCount)}
names = [bytes(name).decode() for name in column[gdal.GFU_Name]]
assert names == ['low', '', 'mid', '', '', '', '', '', '', '', 'high'], names
assert b.GetCategoryNames() == names
counts = np.bincount((ramp() // 10).ravel(), minlength=11)
assert (column[gdal.GFU_PixelCount] == counts).all(), column
colors = [b.GetColorTable().GetColorEntry(v) for v in (0, 2, 10)]
assert colors == [(255, 0, 0, 255), (0, 128, 0, 255), (0, 0, 255, 255)], colors
assert b.GetMetadataItem('LAYER_TYPE') == 'thematic'
same('NAME', ramp() // 10)
del b, table
";
    let classes = "classes = { 0 = { name = 'low', color = '#ff0000' }, 2 = { name = 'mid', color = '#008000' }, 10 = { name = 'high', color = '#0000ff' } }";
    let f = Folder::new();
    f.python("write('a.tif', ramp() // 10)");
    for (name, driver) in [("out.tif", "GTiff"), ("cog.tif", "COG"), ("out.img", "HFA")] {
        f.job(
            "slow",
            &format!(
                "[inputs.image]\npath = 'a.tif'\n[outputs.slow]\npath = '{name}'\ndriver = '{driver}'\nhistogram = true\n{classes}\n[params]\nsteps = 0\n[grid]\ntile = [50, 50]\n"
            ),
        );
        for workers in ["threads:2", "processes:2"] {
            f.run(&format!("--overwrite --workers {workers}")).ok();
            f.python(&IS_RIGHT.replace("NAME", name));
        }
        if driver == "HFA" {
            // It can't be resumed before it is complete.
            continue;
        }
        std::fs::remove_file(f.path().join(name)).unwrap();
        let mut running = Running::start(&f, "--workers threads:2 --set params.steps=15000000");
        running.wait_for(" %").signal("INT");
        running.end().error(130);
        let resumed = f.report("--overwrite --resume --workers threads:2 --set params.steps=15000000");
        assert!(resumed["tiles"]["resumed"].as_u64().unwrap() > 0, "{}", resumed["tiles"]);
        f.python(&IS_RIGHT.replace("NAME", name));
    }
}

/// Classes and colours that can't be are mistakes of the job, at their places.
#[test]
fn classes_that_cannot_be() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('f.tif', ramp().astype('f4'))");
    let job = |lines: &str| {
        f.job("copy", &format!("[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n{lines}\n"));
    };
    job("classes = { 1 = { name = 'a' }, 256 = { name = 'b' } }");
    let run = f.run("");
    let text = run.error(2);
    assert!(
        text.contains("outputs.copy.classes.256: 256 does not fit uint8, the type that the function returns"),
        "{text}"
    );
    assert!(text.contains("job.toml:") && !text.contains("classes.1:"), "{text}");
    let run = f.run("--set inputs.image.path=f.tif");
    let text = run.error(2);
    assert!(
        text.contains("outputs.copy.classes: classes are whole numbers, and the function returns float32"),
        "{text}"
    );
    job("classes = { 1 = { name = 'a' } }");
    let run = f.run("--set outputs.copy.path=copy.nc");
    let text = run.error(2);
    assert!(text.contains("its bands can't be marked as thematic: leave `thematic` and `classes` out"), "{text}");
    job("thematic = true\ncolor_table = { 1 = '#000000', 300 = '#ffffff' }");
    let run = f.run("");
    assert!(run.error(2).contains("outputs.copy.color_table.300: 300 does not fit uint8"), "{}", run.stderr);
    assert_eq!(f.files(), ["a.tif", "f.tif", "job.toml"]);
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
