//! Burning features into a window: values, types, halos, mistakes.

use crate::support::{folder, path, python, values};
use crate::vectors::{band, burn, grid, in_tiles, spec, vectors};
use grid::Window;
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Burn, BurnSpec, Burner, Found, inspect_vector};
use types::Edge;

/// A window of 1 × 3 pixels with a square in each, whose attribute `v` has these values.
fn three(folder: &Path, values: &str) -> String {
    vectors(
        folder,
        &format!(
            "box = lambda x: 'POLYGON(' + ring([(x, 0), (x + 1, 0), (x + 1, 1), (x, 1)]) + ')'
layer('three.gpkg', [(box(n), {{'v': v, 'name': 'x'}}) for n, v in enumerate({values})])"
        ),
    );
    path(folder, "three.gpkg")
}

fn of_v(file: &str, dtype: DType, nodata: i64) -> BurnSpec {
    let spec = spec(file, &grid(1, 3));
    BurnSpec { burn: Burn::Attribute("v".into()), band: band(dtype, nodata), dtype, ..spec }
}

#[test]
fn every_whole_number_is_burned_exactly_or_not_at_all() {
    let dir = folder();
    let file = three(dir.path(), "[2**53 + 1, -2**63, None]");
    let window = Window::new(0, 0, 1, 3);
    let mut burner = Burner::open(&of_v(&file, DType::Int64, 7)).unwrap();
    assert_eq!(burn::<i64>(&mut burner, window).unwrap(), [(1 << 53) + 1, i64::MIN, 7]);
    assert_eq!(burner.look(true).unwrap().misfit, None);
    let mut burner = Burner::open(&of_v(&file, DType::Float64, 7)).unwrap();
    let expected = format!(
        "can't burn {file} into rows 0..1, columns 0..3 of the grid: feature 1: float64 can't hold 9007199254740993"
    );
    assert_eq!(burn::<f64>(&mut burner, window).unwrap_err().to_string(), expected);
    assert_eq!(burner.look(true).unwrap().misfit, Some("feature 1: float64 can't hold 9007199254740993".into()));
    // A value is looked at where it is burned.
    assert_eq!(burn::<f64>(&mut burner, Window::new(0, 1, 1, 2)).unwrap(), [-(2f64.powi(63)), 7.0]);
    let mut burner = Burner::open(&of_v(&file, DType::UInt8, 0)).unwrap();
    assert!(
        burn::<u8>(&mut burner, window)
            .unwrap_err()
            .to_string()
            .ends_with("feature 1: uint8 can't hold 9007199254740993")
    );
}

#[test]
fn floats_and_ids() {
    let dir = folder();
    let file = three(dir.path(), "[0.5, 3.0, None]");
    let window = Window::new(0, 0, 1, 3);
    let mut burner = Burner::open(&of_v(&file, DType::Float32, -1)).unwrap();
    assert_eq!(burn::<f32>(&mut burner, window).unwrap(), [0.5, 3.0, -1.0]);
    let mut burner = Burner::open(&of_v(&file, DType::Int8, -5)).unwrap();
    assert!(burn::<i8>(&mut burner, window).unwrap_err().to_string().ends_with("feature 1: int8 can't hold 0.5"));
    assert_eq!(burn::<i8>(&mut burner, Window::new(0, 1, 1, 2)).unwrap(), [3, -5]);
    // The column of the features' ids is a number, too; features without a value in another one are burned.
    let spec = BurnSpec { burn: Burn::Attribute("fid".into()), ..of_v(&file, DType::UInt16, 9) };
    assert_eq!(burn::<u16>(&mut Burner::open(&spec).unwrap(), window).unwrap(), [1, 2, 3]);
    let spec = BurnSpec { burn: Burn::Value(200), ..of_v(&file, DType::UInt8, 9) };
    assert_eq!(burn::<u8>(&mut Burner::open(&spec).unwrap(), window).unwrap(), [200; 3]);
}

#[test]
fn a_function_of_another_type_gets_converted_pixels() {
    let dir = folder();
    let file = three(dir.path(), "[300, 255, None]");
    let window = Window::new(0, 0, 1, 3);
    let as_type = |dtype, window: Window, size: usize| {
        let spec = of_v(&file, DType::Int16, -1);
        let spec = BurnSpec { dtype, band: spec.band.marked(dtype).0, ..spec };
        let mut out = vec![0; window.pixels() as usize * size];
        let found = Burner::open(&spec).unwrap().read(window, &mut out).unwrap();
        (out, found, spec.marks_vary())
    };
    // 300 is clamped, and 255 is no mark then.
    let (out, found, vary) = as_type(DType::UInt8, window, 1);
    assert_eq!((out, vary), (vec![255, 255, 254], true));
    assert_eq!(found, Found { marks: vec![(0, Some(254))], clamped: 1, rounded: 0, moved: 0 });
    let (out, found, vary) = as_type(DType::Float32, window, 4);
    assert_eq!((values::<f32>(&out), vary), (vec![300.0, 255.0, -1.0], false));
    assert_eq!(found, Found::default());
    // Changes in a halo are counted by the tile to which they belong.
    let spec = BurnSpec {
        halo: 1,
        dtype: DType::UInt8,
        band: of_v(&file, DType::Int16, -1).band.marked(DType::UInt8).0,
        ..of_v(&file, DType::Int16, -1)
    };
    let mut out = vec![0; 9];
    assert_eq!(Burner::open(&spec).unwrap().read(Window::new(-1, 0, 3, 3), &mut out).unwrap().clamped, 0);
}

/// Beyond the grid a halo shows the features that are there; beyond these as well, it follows the edge rule.
#[test]
fn halos() {
    let dir = folder();
    vectors(dir.path(), "layer('a.gpkg', [('POLYGON(' + ring([(1, 0), (6, 0), (6, 1), (1, 1)]) + ')', {'id': 5})])");
    let spec = spec(&path(dir.path(), "a.gpkg"), &grid(1, 4));
    let extent = Burner::open(&spec).unwrap().look(false).unwrap().extent;
    assert_eq!(extent, Some(Window::new(0, 1, 2, 6)));
    let row = |edge| {
        let mut burner = Burner::open(&BurnSpec { edge, extent, ..spec.clone() }).unwrap();
        burn::<i32>(&mut burner, Window::new(0, -2, 1, 12)).unwrap()
    };
    assert_eq!(row(Edge::Nodata), [0, 0, 0, 5, 5, 5, 5, 5, 0, 0, 0, 0]);
    // The data are columns 0 to 6: the grid, and the extent, whose last pixel is touched at its edge.
    assert_eq!(row(Edge::Nearest), [0, 0, 0, 5, 5, 5, 5, 5, 0, 0, 0, 0]);
    assert_eq!(row(Edge::Reflect), [5, 0, 0, 5, 5, 5, 5, 5, 0, 0, 5, 5]);
}

#[test]
fn null_geometries_and_nothing_at_all() {
    let dir = folder();
    vectors(
        dir.path(),
        "layer('a.gpkg', [(None, {'id': 1}), ('POLYGON EMPTY', {'id': 2}), ('POINT EMPTY', {'id': 3}), ('GEOMETRYCOLLECTION EMPTY', {'id': 4}),
    ('POINT(' + at(2.5, 0.5) + ')', {'id': 5})])
layer('empty.gpkg', [])",
    );
    let spec = spec(&path(dir.path(), "a.gpkg"), &grid(1, 4));
    for all_touched in [false, true] {
        assert_eq!(in_tiles(&BurnSpec { all_touched, ..spec.clone() }, (1, 4)), [0, 0, 5, 0]);
    }
    let nothing = BurnSpec { filter: Some("id > 5".into()), ..spec };
    let mut burner = Burner::open(&nothing).unwrap();
    assert_eq!(burner.look(true).unwrap().features, Some(0));
    assert_eq!(burn::<i32>(&mut burner, Window::new(0, 0, 1, 4)).unwrap(), [0; 4]);
    let empty = path(dir.path(), "empty.gpkg");
    let empty = BurnSpec { path: empty, burn: Burn::Value(1), ..nothing };
    let mut burner = Burner::open(&BurnSpec { filter: None, ..empty }).unwrap();
    let selection = burner.look(false).unwrap();
    assert_eq!((selection.features, selection.extent), (Some(0), None));
    assert_eq!(burn::<i32>(&mut burner, Window::new(0, 0, 1, 4)).unwrap(), [0; 4]);
}

#[test]
fn mistakes() {
    let dir = folder();
    let file = three(dir.path(), "[1, 2, 3]");
    python(dir.path(), "make('a.tif', ramp(5, 5))");
    let raster = path(dir.path(), "a.tif");
    assert_eq!(
        inspect_vector(&raster).unwrap_err().to_string(),
        format!("{raster} is a raster file, not a vector file: give it with `path = …`, not `vector = …`")
    );
    let missing = inspect_vector(&path(dir.path(), "no.gpkg")).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("can't open {}: ", path(dir.path(), "no.gpkg"))), "{missing}");
    let info = inspect_vector(&file).unwrap();
    let [layer] = &info.layers[..] else { panic!() };
    let attributes: Vec<_> =
        layer.attributes.iter().map(|a| (a.name.as_str(), a.kind.as_str(), a.is_numeric)).collect();
    assert_eq!(attributes, [("v", "Integer64", true), ("name", "String", false)]);
    assert_eq!((layer.name.as_str(), layer.fid.as_deref()), ("fields", Some("fid")));
    let spec = of_v(&file, DType::UInt8, 0);
    // Some formats only understand the filter when they read.
    let error = |spec: BurnSpec| Burner::open(&spec).and_then(|mut b| b.look(false)).unwrap_err().to_string();
    let wrong = error(BurnSpec { filter: Some("crop = 'wheat'".into()), ..spec.clone() });
    assert!(wrong.starts_with(&format!("{file}: the filter \"crop = 'wheat'\" is wrong: ")), "{wrong}");
    assert!(error(BurnSpec { filter: Some("v >".into()), ..spec.clone() }).contains("the filter \"v >\" is wrong: "));
    assert_eq!(
        error(BurnSpec { layer: "roads".into(), ..spec.clone() }),
        format!("{file}: there is no layer \"roads\" any more: the file has changed")
    );
    assert_eq!(
        error(BurnSpec { burn: Burn::Attribute("name".into()), ..spec.clone() }),
        format!("{file}: there is no numeric attribute \"name\" any more: the file has changed")
    );
    let mut out = vec![0; 4];
    let short = Burner::open(&spec).unwrap().read(Window::new(0, 0, 1, 3), &mut out).unwrap_err();
    assert_eq!(short.to_string(), format!("{file}: 4 bytes for rows 0..1, columns 0..3"));
}
