//! Colour and attribute tables.

use crate::support::Folder;

/// C31: a colour table of five columns for the values 0 to 3 is read back as it was written: put into a file, and as an output's colours.
#[test]
fn c31_a_colour_table_is_read_back() {
    let f = Folder::new();
    f.python("for name, driver in ('a.tif', 'GTiff'), ('a.img', 'HFA'): write(name, ramp() // 26, driver=driver)");
    let table = "Value,Red,Green,Blue,Alpha\n0,0,0,0,0\n1,255,0,0,255\n2,17,130,64,255\n3,1,2,254,255\n";
    f.write("colors.csv", table);
    f.tilefn(["rat", "a.tif", "--set-from", "colors.csv"]).ok();
    assert_eq!(f.tilefn(["rat", "a.tif", "--csv", "-"]).ok().stdout, table);
    // Imagine's rows have the numbers of their values, and its columns names by their use.
    f.tilefn(["rat", "a.img", "--set-from", "colors.csv", "--by", "Value"]).ok();
    let expected = table.lines().map(|line| line.split_once(',').unwrap().1.to_owned() + "\n").collect::<String>();
    let expected = expected.replace("Alpha", "Opacity");
    assert_eq!(f.tilefn(["rat", "a.img", "--csv", "-"]).ok().stdout, expected);

    const IS_RIGHT: &str = "
b = band('NAME'); table = b.GetDefaultRAT()
columns = {table.GetUsageOfCol(i): i for i in range(table.GetColumnCount())}
colors = [[0, 0, 0, 0], [255, 0, 0, 255], [17, 130, 64, 255], [1, 2, 254, 255]]
found = [[table.GetValueAsInt(row, columns[usage]) for usage in (gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue, gdal.GFU_Alpha)] for row in range(4)]
assert found == colors, found
del table, b
";
    for name in ["a.tif", "a.img"] {
        f.python(&IS_RIGHT.replace("NAME", name));
    }
    // GDAL reads the same of an output, and for Imagine files and GeoTIFF a colour table, too, which has no opacity in a GeoTIFF.
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.img'\n[outputs.copy]\npath = 'copy.img'\nthematic = true\n\
         color_table = { 0 = '#00000000', 1 = '#ff0000', 2 = '#118240', 3 = '#0102fe' }\n",
    );
    f.run("").ok();
    f.python(&IS_RIGHT.replace("NAME", "copy.img"));
    f.run("--set outputs.copy.path=copy.tif").ok();
    for (name, channels) in [("copy.img", 4), ("copy.tif", 3)] {
        f.python(&format!(
            "
            colors = [(0, 0, 0, 0), (255, 0, 0, 255), (17, 130, 64, 255), (1, 2, 254, 255)]
            b = band('{name}'); found = [b.GetColorTable().GetColorEntry(i) for i in range(4)]
            assert [c[:{channels}] for c in found] == [c[:{channels}] for c in colors], found
            same('{name}', ramp() // 26, nodata=None)
            "
        ));
    }
}
