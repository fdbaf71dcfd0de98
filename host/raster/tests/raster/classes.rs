//! Classes and colours of outputs, as GDAL's own Python bindings find them.

use crate::support::{folder, names, python, target_spec, write};
use std::collections::BTreeMap;
use tilefn_abi::DType;
use tilefn_raster::{Class, Colors, TargetSpec, rgba};
use types::Nodata;

fn class(value: i64, name: &str, color: Option<&str>) -> (i64, Class) {
    (value, Class { name: name.into(), color: color.map(|color| rgba(color).unwrap()) })
}

fn colors(of: &[(i64, &str)]) -> Option<Colors> {
    Some(Colors::Values(of.iter().map(|(value, color)| (*value, rgba(color).unwrap())).collect()))
}

/// `rows(name)` has for each value of the attribute table its cells by usage, and for each value of a colour table its colour.
const ROWS: &str = "
def rows(path):
    b = open_band(path)
    table = b.GetDefaultRAT()
    columns = {table.GetUsageOfCol(i): i for i in range(table.GetColumnCount())} if table else {}
    found = {}
    values = columns.pop(gdal.GFU_MinMax, None)
    for row in range(table.GetRowCount() if table else 0):
        value = row if values is None else int(table.GetValueAsDouble(row, values))
        cells = {usage: table.GetValueAsString(row, i) for usage, i in columns.items()}
        assert value not in found
        found[value] = cells
    colors = b.GetColorTable()
    palette = {i: colors.GetColorEntry(i) for i in range(colors.GetCount())} if colors else {}
    return found, palette, b.GetCategoryNames()

def random(value):
    # d3's sinebow, in steps of the golden angle
    t = np.pi * (0.5 - value * 0.618033988749895 % 1)
    return [255 * np.sin(t + turn * np.pi / 3) ** 2 for turn in (0, 1, 2)]

def same_color(found, expected):
    return all(abs(a - b) <= 1 for a, b in zip(found, expected))
";

#[test]
fn names_colours_and_counts_in_every_format() {
    let dir = folder();
    for (name, driver, dtype) in [
        ("a.tif", "GTiff", DType::UInt8),
        ("b.tif", "GTiff", DType::UInt16),
        ("c.tif", "GTiff", DType::Int32),
        ("d.tif", "COG", DType::UInt8),
        ("e.tif", "COG", DType::Int16),
        ("f.img", "HFA", DType::UInt8),
        ("g.img", "HFA", DType::UInt16),
        ("h.img", "HFA", DType::Int32),
        ("i.png", "PNG", DType::UInt8),
    ] {
        let spec = TargetSpec {
            driver: Some(driver.into()),
            histogram: true,
            nodata: Some(Nodata::Int(9)),
            color_table: Some("random".into()),
            classes: BTreeMap::from([
                class(0, "other", None),
                class(3, "forêt, claire", Some("#1a9641")),
                class(17, "water", Some("#2b83ba")),
            ]),
            ..target_spec(dir.path(), name, (300, 200), dtype)
        };
        let rehearsal = spec.rehearse().unwrap();
        assert_eq!(rehearsal.warnings, Vec::<String>::new(), "{name}");
        match dtype.size() {
            1 => write(spec, |_, r, c| ((r + c) % 12) as u8),
            2 => write(spec, |_, r, c| ((r + c) % 12) as u16),
            _ => write(spec, |_, r, c| ((r + c) % 12) as i32),
        }
        .unwrap();
        let script = format!(
            "{ROWS}
name = {name:?}
b = open_band(name)
assert b.GetMetadataItem('LAYER_TYPE') == 'thematic'
found, palette, categories = rows(name)
names = {{0: 'other', 3: 'forêt, claire', 17: 'water'}}
assert categories == [names.get(i, '') for i in range(18)], categories
r, c = np.mgrid[:300, :200]
counts = np.bincount((((r + c) % 12)).ravel(), minlength=18)
assert (read(name) == (r + c) % 12).all()
expected = set(range(18)) if name.endswith('.img') else (set(range(12)) | {{17}}) - {{9}}
assert set(found) == expected, set(found)
given = {{3: (0x1a, 0x96, 0x41), 17: (0x2b, 0x83, 0xba)}}
for value, cells in found.items():
    assert cells[gdal.GFU_Name] == names.get(value, ''), (value, cells)
    assert float(cells[gdal.GFU_PixelCount]) == (0 if value == 9 else counts[value]), (value, cells)
    color = given.get(value, random(value))
    assert same_color([float(cells[usage]) for usage in (gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue)], color), (value, cells)
    assert float(cells[gdal.GFU_Alpha]) == (0 if value == 9 else 255), (value, cells)
has_palette = name.endswith('.img') or b.DataType in (gdal.GDT_Byte, gdal.GDT_UInt16)
assert bool(palette) == has_palette
if has_palette:
    for value in range(18):
        assert same_color(palette[value], given.get(value, random(value))), (value, palette[value])
        assert palette[value][3] == (0 if value == 9 else 255), (value, palette[value])
if name.endswith('.img'):
    assert open_band(name).GetDefaultRAT().GetLinearBinning() == [True, 0, 1]
"
        );
        python(dir.path(), &script);
    }
}

/// As gdaldem has it: linear between the values named, and theirs beyond.
#[test]
fn a_ramp_between_colours() {
    let dir = folder();
    for (name, dtype) in [("a.tif", DType::UInt8), ("b.tif", DType::UInt16), ("c.img", DType::UInt16)] {
        let spec = TargetSpec {
            color_table: colors(&[(10, "#000000"), (40, "#ff8001"), (100, "#ffffff")]),
            ..target_spec(dir.path(), name, (130, 10), dtype)
        };
        if dtype == DType::UInt8 {
            write(spec, |_, r, _| r as u8).unwrap();
        } else {
            write(spec, |_, r, _| r as u16).unwrap();
        }
        python(
            dir.path(),
            &format!(
                "{ROWS}
found, palette, categories = rows({name:?})
assert categories is None and ({name:?}.endswith('.img') or found == {{}})
for value in range(130):
    color = [int(np.interp(value, [10, 40, 100], channel) + 0.5) for channel in ([0, 255, 255], [0, 128, 255], [0, 1, 255])]
    assert palette[value] == (*color, 255), (value, palette[value], color)
"
            ),
        );
    }
    assert_eq!(names(dir.path()), ["a.tif", "b.tif", "c.img"]);
}

#[test]
fn just_the_colours_of_classes() {
    let dir = folder();
    for (name, dtype) in [("a.tif", DType::UInt8), ("b.tif", DType::Int64), ("c.img", DType::UInt8)] {
        let spec = TargetSpec {
            thematic: true,
            color_table: colors(&[(1, "#01020304"), (5, "#fffefd")]),
            ..target_spec(dir.path(), name, (20, 10), dtype)
        };
        let warnings = spec.rehearse().unwrap().warnings;
        let expected = if name == "a.tif" { vec!["in GTiff files, colours are not transparent"] } else { Vec::new() };
        assert_eq!(warnings, expected, "{name}");
        if dtype == DType::UInt8 {
            write(spec, |_, r, _| (r % 6) as u8).unwrap();
        } else {
            write(spec, |_, r, _| r % 6).unwrap();
        }
        python(
            dir.path(),
            &format!(
                "{ROWS}
name = {name:?}
found, palette, categories = rows(name)
if name == 'b.tif':
    colors = {{value: tuple(int(cells[usage]) for usage in (6, 7, 8, 9)) for value, cells in found.items()}}
    assert colors == {{1: (1, 2, 3, 4), 5: (255, 254, 253, 255)}} and not palette, colors
else:
    # A TIFF has no opacity.
    assert palette[1] == (1, 2, 3, 4 if name == 'c.img' else 255) and palette[5] == (255, 254, 253, 255), palette
    assert palette[2][:3] == (0, 0, 0) and (name == 'a.tif' or palette[2][3] == 0)
"
            ),
        );
    }
}

/// Rows for single values need values that lie close enough.
#[test]
fn values_far_apart() {
    let dir = folder();
    let spec = |name: &str, color_table| TargetSpec {
        histogram: true,
        color_table,
        classes: BTreeMap::from([
            class(-7, "below", Some("#ff0000")),
            class(5_000_000_000, "far", None),
            class(300, "three hundred", None),
        ]),
        ..target_spec(dir.path(), name, (40, 10), DType::Int64)
    };
    write(spec("near.tif", Some("gray".into())), |_, r, _| [-7i64, 0, 300, 2][r as usize % 4]).unwrap();
    write(spec("far.tif", None), |_, r, _| [-7i64, 0, 300, 5_000_000_000][r as usize % 4]).unwrap();
    python(
        dir.path(),
        &format!(
            "{ROWS}
found, palette, categories = rows('near.tif')
assert not palette and categories is None
assert {{v: (c[gdal.GFU_Name], float(c[gdal.GFU_PixelCount])) for v, c in found.items()}} == {{
    -7: ('below', 100), 0: ('', 100), 2: ('', 100), 300: ('three hundred', 100), 5000000000: ('far', 0)}}, found
assert [found[5000000000][usage] for usage in (6, 7, 8, 9)] == ['255'] * 4
assert [found[-7][usage] for usage in (6, 7, 8, 9)] == ['255', '0', '0', '255']
found, palette, categories = rows('far.tif')
assert {{v: c[gdal.GFU_Name] for v, c in found.items()}} == {{-7: 'below', 300: 'three hundred', 5000000000: 'far'}}, found
assert all(gdal.GFU_PixelCount not in c for c in found.values())
"
        ),
    );
    // A file with an attribute table of its own has no row for what is below 0: it stays without, and is complete otherwise.
    let spec = TargetSpec {
        classes: BTreeMap::from([class(1, "one", None)]),
        histogram: true,
        ..target_spec(dir.path(), "below.img", (40, 10), DType::Int16)
    };
    write(spec, |_, r, _| [-7i16, 1][r as usize % 2]).unwrap();
    python(dir.path(), "assert (read('below.img')[:2, 0] == [-7, 1]).all()");
}

#[test]
fn what_cannot_be() {
    let dir = folder();
    let refused = |name: &str, dtype, change: &dyn Fn(&mut TargetSpec)| {
        let mut spec = target_spec(dir.path(), name, (40, 30), dtype);
        change(&mut spec);
        let text = spec.rehearse().unwrap_err().to_string();
        text.split_once(": ").unwrap().1.to_owned()
    };
    let one = |value: i64| move |spec: &mut TargetSpec| spec.classes = BTreeMap::from([class(value, "one", None)]);
    assert_eq!(refused("a.tif", DType::Float32, &one(1)), "classes need integers; it has float32");
    assert_eq!(refused("a.tif", DType::UInt8, &one(300)), "the class 300 does not fit uint8");
    assert_eq!(refused("a.tif", DType::UInt8, &one(-1)), "the class -1 does not fit uint8");
    assert_eq!(
        refused("a.tif", DType::Int64, &one(1 << 60)),
        format!("the class {} is beyond 2⁵³, up to which attribute tables are exact", 1i64 << 60)
    );
    for value in [-1, 65_536] {
        let text = format!(
            "HFA's attribute table has a row for each value from 0 to 65535, and none for {value}: choose another format, such as GTiff"
        );
        assert_eq!(refused("a.img", DType::Int32, &one(value)), text);
    }
    assert_eq!(
        refused("a.tif", DType::Int32, &|spec| spec.color_table = Some("viridis".into())),
        "a colour table needs one uint8 or uint16 band; it has 1 of int32; with `thematic = true` the colours are in the attribute table"
    );
    assert_eq!(
        refused("a.tif", DType::UInt8, &|spec| {
            spec.color_table = Some("viridis".into());
            spec.bands = 2;
        }),
        "a colour table needs one uint8 or uint16 band; it has 2 of uint8"
    );
    assert_eq!(
        refused("a.tif", DType::UInt8, &|spec| spec.color_table = colors(&[(256, "#000000")])),
        "the colour's value 256 does not fit uint8"
    );
    assert_eq!(
        refused("a.nc", DType::UInt8, &one(1)),
        "its bands can't be marked as thematic: leave `thematic` and `classes` out, or choose another format"
    );
    assert_eq!(
        refused("a.nc", DType::UInt8, &|spec| spec.color_table = Some("viridis".into())),
        "netCDF doesn't keep colours: leave them out, or choose a format that does, such as GTiff, COG or HFA"
    );
    let text = refused("a.zarr", DType::UInt8, &|spec| {
        one(1)(spec);
        spec.driver = Some("Zarr".into());
    });
    assert_eq!(
        text,
        "the format has no attribute table; leave classes and colours out, or choose a format that has them, such as GTiff, COG or HFA"
    );
    assert_eq!(names(dir.path()), Vec::<String>::new());
}
