//! What a function is told of its tile, RIOS's `info` (1.9).

use crate::support::Folder;
use serde_json::{Value, json};

fn context(f: &Folder, image: &str, set: &str) -> Vec<Value> {
    f.job("context", &format!("[inputs.image]\npath = '{image}'\n[inputs.others]\npaths = ['{image}']\n"));
    let report = f.report(set);
    report["result"].as_array().unwrap().clone()
}

/// C9: a tile's place, in pixels written and in what the function is told.
#[test]
fn c9_c1_9_place_of_each_tile() {
    let f = Folder::new();
    f.python("write('a.tif', np.zeros((1000, 900), 'u1'), gt=(30000, 20, 0, 50000, 0, -20))");
    let tiles = context(&f, "a.tif", "--set grid.tile=[256,256]");
    assert_eq!(tiles.len(), 16);
    for (i, tile) in tiles.iter().enumerate() {
        let (row, col) = (i / 4, i % 4);
        let (rows, cols) = ([256, 256, 256, 232][row], [256, 256, 256, 132][col]);
        assert_eq!(tile["index"], i);
        assert_eq!((&tile["first"], &tile["last"]), (&json!(i == 0), &json!(i == 15)));
        assert_eq!((&tile["count"], &tile["halo"]), (&json!(16), &json!(0)));
        assert_eq!((&tile["matrix"], &tile["matrix_size"]), (&json!([row, col]), &json!([4, 4])));
        assert_eq!(tile["window"], json!([256 * row, 256 * col, rows, cols]));
        assert_eq!(tile["grid_size"], json!([1000, 900]));
        assert_eq!(tile["geotransform"], json!([30000.0, 20.0, 0.0, 50000.0, 0.0, -20.0]));
        assert_eq!(tile["inputs"][0]["shapes"], json!([[1, rows, cols]]));
        let corner = [30000 + 20 * 256 * col + 10, 50000 - 20 * 256 * row - 10];
        assert_eq!(tile["first_centre"], json!(corner.map(|n| n as f64)));
        assert!(tile["crs"].as_str().unwrap().contains("28355"));
        let [x, y] = [30000 + 20 * 256 * col, 50000 - 20 * 256 * row].map(|n| n as f64);
        let [right, below] = [x + 20.0 * cols as f64, y - 20.0 * rows as f64];
        assert_eq!((&tile["bounds"], &tile["pixel_size"]), (&json!([x, below, right, y]), &json!([20.0, 20.0])));
        assert_eq!(
            (&tile["last_centre"], &tile["centres"]),
            (&json!([right - 10.0, below + 10.0]), &json!([1, rows, cols]))
        );
    }

    f.job(
        "places",
        "[inputs.image]\npath = 'a.tif'\n[outputs.index]\npath = 'index.tif'\n[outputs.tile]\npath = 'tile.tif'\n",
    );
    f.run("--set grid.tile=[256,256]").ok();
    f.python(
        "
        rows, cols = np.mgrid[:1000, :900].astype('u2')
        same('index.tif', np.stack([rows, cols]), nodata=None)
        same('tile.tif', (rows // 256 * 4 + cols // 256).astype('u4'), nodata=None)
        assert gdal.Open('index.tif').GetGeoTransform() == (30000, 20, 0, 50000, 0, -20)
        ",
    );
}

/// C10: file names, band names and nodata of each input, as the job file and the files have them.
#[test]
fn c10_names_and_nodata_of_inputs() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(), nodata=253)
        write('b.tif', np.stack([ramp(), ramp()]), nodata=254, names=['blue', 'green'])
        write('c.tif', ramp(), nodata=255)
        write('d.tif', ramp())
        ",
    );
    f.job("context", "[inputs.image]\npath = 'a.tif'\n[inputs.others]\npaths = ['b.tif', 'c.tif', 'd.tif']\n");
    let report = f.report("--set workers.count=4 --set grid.tile=[200,200]");
    let tiles = report["result"].as_array().unwrap();
    assert_eq!(tiles.len(), 9);
    for tile in tiles {
        let [image, others] = [&tile["inputs"][0], &tile["inputs"][1]];
        assert_eq!((&image["name"], &others["name"]), (&json!("image"), &json!("others")));
        assert_eq!((&image["nodata"], &image["tile_nodata"]), (&json!([253.0]), &json!([253.0])));
        assert_eq!(others["nodata"], json!([254.0, 255.0, null]));
        assert_eq!(others["tile_nodata"], others["nodata"]);
        assert_eq!(others["bands"], json!([["blue", "green"], [""], [""]]));
        let paths: Vec<_> = others["paths"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        assert!(paths.iter().zip(["b.tif", "c.tif", "d.tif"]).all(|(path, name)| path.ends_with(name)), "{paths:?}");
    }
}

/// C11, C12, W15: coordinates of pixels, and the pixel of a point, which lies in one tile only unless halos overlap.
#[test]
fn c11_c12_w15_coordinates_and_points() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(), nodata=255)");
    let centres = |tiles: &[Value]| tiles.iter().map(|t| t["first_centre"].clone()).collect::<Vec<_>>();
    let points = |tiles: &[Value]| tiles.iter().map(|t| t["point"].clone()).collect::<Vec<_>>();

    let tiles = context(&f, "a.tif", "--set grid.tile=[256,256] --set params.x=501105 --set params.y=6998895");
    let expected = [[500005.0, 6999995.0], [502565.0, 6999995.0], [500005.0, 6997435.0], [502565.0, 6997435.0]];
    assert_eq!(centres(&tiles), expected.map(|c| json!(c)));
    assert_eq!(points(&tiles), [json!([110, 110]), json!(null), json!(null), json!(null)]);

    let set = "--set grid.tile=[256,256] --set params.margin=2 --set params.x=501105 --set params.y=6998895";
    let tiles = context(&f, "a.tif", set);
    assert_eq!(
        (&tiles[0]["last_centre"], &tiles[0]["centres"]),
        (&json!([502575.0, 6997425.0]), &json!([1, 260, 260]))
    );
    let expected = [[499985.0, 7000015.0], [502545.0, 7000015.0], [499985.0, 6997455.0], [502545.0, 6997455.0]];
    assert_eq!(centres(&tiles), expected.map(|c| json!(c)));
    assert_eq!(points(&tiles), [json!([112, 112]), json!(null), json!(null), json!(null)]);

    // On the border of two tiles a point belongs to the right and lower one, and to no pixel beyond the last.
    let at = |x: u32, y: u32| {
        points(&context(&f, "a.tif", &format!("--set grid.tile=[256,256] --set params.x={x} --set params.y={y}")))
    };
    assert_eq!(at(502560, 6997440), [json!(null), json!(null), json!(null), json!([0, 0])]);
    assert_eq!(at(500000, 7000000), [json!([0, 0]), json!(null), json!(null), json!(null)]);
    assert_eq!(at(505000, 7000000), vec![json!(null); 4]);
    assert_eq!(at(500000, 6995000), vec![json!(null); 4]);
}
