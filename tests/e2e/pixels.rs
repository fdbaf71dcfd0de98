//! Pixels in and out: halos, lists, optional inputs, types, nodata, bands, whatever the tiles.

use crate::support::{Folder, assert_message};
use serde_json::json;

/// What a halo holds at the edges, for tiles much smaller than the halo and larger than the image.
#[test]
fn halo_at_the_edges() {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(40 * 30) % 251).reshape(40, 30).astype('f4'))");
    f.job("moved", "[inputs.image]\npath = 'a.tif'\n[outputs.moved]\npath = 'moved.tif'\n");
    for (edge, mode) in
        [("nodata", "'constant', constant_values=np.nan"), ("reflect", "'symmetric'"), ("nearest", "'edge'")]
    {
        for tile in ["[4,3]", "[16,16]", "[100,100]"] {
            for (reach, down, right) in [(1, -1, 1), (7, 7, -7), (35, -35, 20)] {
                f.run(&format!(
                    "--overwrite --set grid.edge={edge} --set grid.tile={tile} --set params.reach={reach} \
                     --set params.down={down} --set params.right={right}"
                ))
                .ok();
                f.python(&format!(
                    "
                    padded = np.pad(read('a.tif')[0], {reach}, {mode})
                    r, c = {reach} + {down}, {reach} + {right}
                    same('moved.tif', padded[r : r + 40, c : c + 30], nodata=np.nan)
                    "
                ));
            }
        }
    }
}

/// Within a union, the halo of a tile beyond one file's edge holds that file's nodata, not the neighbour's pixels.
#[test]
fn halo_beyond_a_file_in_a_union() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 20).astype('f4')); write('b.tif', ramp(20, 20).astype('f4'), gt=(500200, 10, 0, 7000000, 0, -10))");
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n[grid]\nfootprint = 'union'\ntile = [7, 7]\n");
    f.run("").ok();
    f.python("same('add.tif', np.full((20, 40), np.nan, 'f4'))");
    f.run("--overwrite --set grid.footprint=reference --set inputs.other.path=a.tif").ok();
    f.python("same('add.tif', ramp(20, 20).astype('f4') * 2)");
}

/// An integer file without nodata has nothing to fill a halo with, unless the function takes floats.
#[test]
fn nothing_to_fill_with() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(20, 20)); write('b.tif', ramp(20, 20), gt=(500100, 10, 0, 7000000, 0, -10))");
    f.job("context", "[inputs.image]\npath = 'a.tif'\n[inputs.others]\npaths = ['b.tif']\n[params]\nmargin = 1\n");
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:4:9: inputs.image: the halo reaches beyond ~/a.tif, and its type, uint8, has no nodata value to fill with
  hint: set nodata of this input; or let the function take float32; or set grid.edge to \"reflect\" or \"nearest\"
job.toml:6:9: inputs.others: the halo reaches beyond ~/b.tif, and its type, uint8, has no nodata value to fill with
  hint: set nodata of this input; or let the function take float32; or set grid.edge to \"reflect\" or \"nearest\"
2 mistakes in the job",
    );
    f.run("--set grid.edge=reflect").ok();
    f.run("--set inputs.image.nodata=255 --set inputs.others.nodata=255").ok();
    let run = f.run("--set params.margin=0 --set grid.footprint=union");
    let message = run.error(2);
    assert!(message.contains("inputs.image: the working grid reaches beyond"), "{message}");
}

/// Lists of files in and out, in their order, of any type.
#[test]
fn lists_of_files() {
    let f = Folder::new();
    f.python("for n in range(3): write(f'in-{n}.tif', (ramp(50, 60).astype('i2') - n) * 100, nodata=-n * 100)");
    f.job("doubled", "[inputs.images]\npaths = ['in-2.tif', 'in-0.tif', 'in-1.tif']\n[outputs.doubled]\npaths = ['c.tif', 'a.tif', 'b.tif']\nnodata = -1\n");
    f.run("--set grid.tile=[32,32]").ok();
    f.python(
        "
        for n, name in enumerate(['a.tif', 'b.tif', 'c.tif']):
            value = read(f'in-{n}.tif')
            same(name, np.where(value == -n * 100, -1, value * 2).astype('i2'), nodata=-1)
        ",
    );
    // A pattern stands for its files in the order of their names.
    f.run("--set inputs.images.paths=['in-*.tif'] --overwrite --set outputs.doubled.paths=['a.tif','b.tif','c.tif']")
        .ok();
    f.python("same('b.tif', np.where(read('in-1.tif') == -100, -1, read('in-1.tif') * 2).astype('i2'))");
    assert_message(
        &f,
        f.run("--overwrite --set outputs.doubled.paths=['a.tif','b.tif']").error(1),
        "tile 0 (row 0, column 0; pixels 0..50 × 0..60): output \"doubled\": the function returned 3 tiles, the job names 2 files",
    );
    assert_eq!(f.files(), ["a.tif", "b.tif", "c.tif", "in-0.tif", "in-1.tif", "in-2.tif", "job.toml"]);
}

#[test]
fn optional_input() {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('b.tif', ramp()[::-1], nodata=0)");
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f.run("").ok();
    f.python("same('add.tif', ramp().astype('f4'))");
    f.run("--set inputs.other.path=b.tif --overwrite").ok();
    f.python("b = ramp()[::-1].astype('f4'); same('add.tif', ramp() + np.where(b == 0, np.nan, b).astype('f4'))");
}

/// Every type goes through unchanged, its extreme values too, and keeps its nodata.
#[test]
fn every_type_unchanged() {
    let f = Folder::new();
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for dtype in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"] {
        f.python(&format!(
            "
            t = np.dtype('{dtype}')
            if t.kind == 'f':
                extremes = [np.finfo(t).max, np.finfo(t).min, np.finfo(t).tiny, -0.0, np.inf, -np.inf, np.nan, 1.1]
            else:
                extremes = [np.iinfo(t).max, np.iinfo(t).min, 0, 1, np.iinfo(t).max - 1, np.iinfo(t).min + 1, 2, 3]
            write('a.tif', np.array(extremes * 4, t).reshape(2, 4, 4))
            "
        ));
        f.run("--overwrite --set grid.tile=[3,2]").ok();
        f.python(
            "
            a, copy = gdal.Open('a.tif'), gdal.Open('copy.tif')
            kind = lambda d: (d.GetRasterBand(1).DataType, d.GetRasterBand(1).GetMetadataItem('PIXELTYPE', 'IMAGE_STRUCTURE'))
            assert kind(a) == kind(copy), (kind(a), kind(copy))
            same('copy.tif', a.ReadAsArray())
            ",
        );
    }
}

/// The function's own type decides what it gets; the job's nodata goes before the file's.
#[test]
fn types_and_nodata_of_inputs() {
    let f = Folder::new();
    f.python("write('a.tif', np.array([[-1, 0, 5, 300]], 'i2'), nodata=-1)");
    f.job("copy_f64", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\n");
    f.run("").ok();
    f.python("same('copy.tif', np.array([[np.nan, 0, 5, 300]], 'f8'), nodata=np.nan)");
    f.run("--overwrite --set outputs.copy_f64.nodata=-9999 --set inputs.image.nodata=5").ok();
    f.python("same('copy.tif', np.array([[-1, 0, -9999, 300]], 'f8'), nodata=-9999)");
    // A nodata value that the function's type can't hold: another one marks the invalid pixel, and 300 is clamped beside it.
    f.job("copy_u8", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_u8]\npath = 'copy.tif'\nnodata = 9\n");
    let report = f.report("--overwrite");
    f.python("same('copy.tif', np.array([[9, 0, 5, 255]], 'u1'), nodata=9)");
    assert!(report["warnings"].to_string().contains("a.tif) beyond the range of uint8: clamped to it"), "{report}");
}

/// Bands are chosen by number, in any order, also several times.
#[test]
fn chosen_bands() {
    let f = Folder::new();
    // A GeoTIFF has one nodata value for all its bands, this format one for each.
    f.python("write('a.img', np.stack([ramp() + n for n in range(3)]), nodata=[None, 7, None], names=['r', 'g', 'b'], driver='HFA')");
    f.job("copy", "[inputs.image]\npath = 'a.img'\nbands = [3, 1, 3]\n[outputs.copy]\npath = 'copy.tif'\nband_names = ['x', 'y', 'z']\n");
    f.run("--set grid.tile=[128,128]").ok();
    f.python(
        "
        same('copy.tif', np.stack([ramp() + 2, ramp(), ramp() + 2]))
        assert [band('copy.tif', n).GetDescription() for n in (1, 2, 3)] == ['x', 'y', 'z']
        ",
    );
    assert_message(
        &f,
        f.run("--overwrite --set inputs.image.bands=[1,4]").error(2),
        "--set inputs.image.bands=[1,4]: inputs.image.bands: ~/a.img: there is no band 4: it has 3\n1 mistake in the job",
    );
    // Each band has its own nodata value.
    f.run("--overwrite --set inputs.image.bands=[1,2] --set outputs.copy.nodata=255 --set outputs.copy.band_names=['x','y']").ok();
    f.python("g = ramp() + 1; same('copy.tif', np.stack([ramp(), np.where(g == 7, 255, g)]).astype('u1'), nodata=255)");
}

/// Tiles without a valid pixel are left out unless the job says otherwise, and their pixels are nodata in any format.
#[test]
fn empty_tiles() {
    let f = Folder::new();
    f.python(
        "
        a = np.full((300, 300), -1, 'f4')
        a[150:, :100] = 3
        write('a.tif', a, nodata=-1)
        ",
    );
    f.job(
        "seven",
        "[inputs.image]\npath = 'a.tif'\n[outputs.seven]\npath = 'seven.tif'\nnodata = -5\n[grid]\ntile = [100, 100]\n",
    );
    for (path, driver) in [("seven.tif", "GTiff"), ("seven.img", "HFA"), ("seven.tif", "COG")] {
        let report =
            f.report(&format!("--overwrite --set outputs.seven.path={path} --set outputs.seven.driver={driver}"));
        assert_eq!((&report["tiles"]["done"], &report["tiles"]["skipped"]), (&json!(2), &json!(7)));
        f.python(&format!("e = np.full((300, 300), -5, 'f4'); e[100:, :100] = 7; same('{path}', e, nodata=-5)"));
    }
    let report = f.report("--overwrite --set grid.skip_empty=false");
    assert_eq!((&report["tiles"]["done"], &report["tiles"]["skipped"]), (&json!(9), &json!(0)));
    f.python("same('seven.tif', np.full((300, 300), 7, 'f4'))");
    // Not one tile with a valid pixel.
    f.python("write('a.tif', np.full((300, 300), -1, 'f4'), nodata=-1)");
    f.run("--overwrite").ok();
    f.python("same('seven.tif', np.full((300, 300), -5, 'f4'), nodata=-5)");
}

/// Invalid pixels of an integer result: the function's nodata, the job's, or an error that says what to set.
#[test]
fn invalid_pixels_of_integer_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', np.array([[10, 60, -1]], 'f4'), nodata=-1)");
    f.job("above", "[inputs.image]\npath = 'a.tif'\n[outputs.above]\npath = 'above.tif'\n");
    f.run("").ok();
    f.python("same('above.tif', np.array([[0, 1, 255]], 'u1'), nodata=255)");
    f.run("--overwrite --set outputs.above.nodata=9").ok();
    f.python("same('above.tif', np.array([[0, 1, 9]], 'u1'), nodata=9)");
    assert_message(
        &f,
        f.run("--overwrite --set outputs.above.nodata=none").error(1),
        "tile 0 (row 0, column 0; pixels 0..1 × 0..3): output \"above\": the function marked pixels as having no value, but this \
         uint8 output has no nodata value to write for them; set outputs.above.nodata in the job file, or nodata = … in the function",
    );
    // A tile without data is no exception: left out, it would read as 0.
    f.python("write('empty.tif', np.full((1, 3), -1, 'f4'), nodata=-1)");
    let on_empty = "--set inputs.image.path=empty.tif --set outputs.above.path=none.tif";
    let empty = f.run(&format!("{on_empty} --set outputs.above.nodata=none"));
    assert!(empty.error(1).contains("this uint8 output has no nodata value to write for them"), "{}", empty.stderr);
    f.run(on_empty).ok();
    f.python("same('none.tif', np.full((1, 3), 255, 'u1'), nodata=255)");
    // Values that happen to be the file's nodata value.
    assert_message(
        &f,
        f.run("--overwrite --set outputs.above.nodata=256").error(2),
        "--set outputs.above.nodata=256: outputs.above.nodata: nodata value 256 does not fit uint8, the type that the function returns
1 mistake in the job",
    );
    f.python("same('above.tif', np.array([[0, 1, 9]], 'u1'), nodata=9)");
}

/// Outputs that the job leaves out are not written; a result can go with pixels.
#[test]
fn several_outputs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 100))");
    f.job("places", "[inputs.image]\npath = 'a.tif'\n[outputs.tile]\npath = 'tile.tif'\n[grid]\ntile = [50, 50]\n");
    f.run("").ok();
    assert_eq!(f.files(), ["a.tif", "job.toml", "tile.tif"]);
    f.python("r, c = np.mgrid[:100, :100]; same('tile.tif', (r // 50 * 2 + c // 50).astype('u4'))");
    f.job(
        "copy_and_sum",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy_and_sum]\npath = 'copy.tif'\n[grid]\ntile = [30, 30]\n",
    );
    let report = f.report("--workers threads:3");
    let sum = f.python("same('copy.tif', ramp(100, 100).astype('f8')); result = int(ramp(100, 100).sum())");
    assert_eq!((report["result"][0].as_f64(), &report["result"][1]), (sum.as_f64(), &json!(10000)));
    // The result alone.
    f.job("copy_and_sum", "[inputs.image]\npath = 'a.tif'\n");
    assert_eq!(f.report("")["result"][0].as_f64(), sum.as_f64());
}

/// Parameters from the job file and the command line, as the function gets them.
#[test]
fn parameters() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10))");
    f.job("params", "[inputs.image]\npath = 'a.tif'\n[params]\nrequired = 7\nsmall = 255\n");
    let defaults = json!(["true", "-3", "255", "0.5", "\"none\"", "[1, 2]", "[\"a\", \"b\"]", "7.0"]);
    assert_eq!(f.report("")["result"], defaults);
    let report = f.report(
        "--set params.flag=false --set params.number=10 --set params.share=1 --set params.text=über \
         --set params.numbers=[] --set params.words=['x=y','[z]'] --set params.required=-1e-3",
    );
    let given = json!(["false", "10", "255", "1.0", "\"über\"", "[]", "[\"x=y\", \"[z]\"]", "-0.001"]);
    assert_eq!(report["result"], given);
    assert_message(
        &f,
        f.run(
            "--set params.flag=1 --set params.number=11 --set params.small=256 --set params.share=-0.1 --set params.text=3 \
             --set params.numbers=[1.5] --set params.words=a --set params.colour=red",
        )
        .error(2),
        "--set params.colour=red: params.colour: the function params has no parameter of this name
  hint: it has: flag, number, small, share, text, numbers, words, required
--set params.flag=1: params.flag: expected true or false, found 1
--set params.number=11: params.number: is 11, above the maximum 10
--set params.small=256: params.small: is 256, above the maximum 255
--set params.share=-0.1: params.share: is -0.1, below the minimum 0
--set params.text=3: params.text: expected a text, found 3
--set params.numbers=[1.5]: params.numbers: expected a list of integers, found [1.5]
--set params.words=a: params.words: expected a list of texts, found \"a\"
8 mistakes in the job",
    );
    f.job("params", "[inputs.image]\npath = 'a.tif'\n");
    assert_message(
        &f,
        f.run("").error(2),
        "job.toml:1:1: params.required: the function params needs this parameter
  hint: add `required = …` (a number) under [params]
1 mistake in the job",
    );
}
