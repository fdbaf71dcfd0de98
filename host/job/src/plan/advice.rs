//! What to do about a file that doesn't lie on the working grid: the whole command, or the key.

use grid::{Crs, Grid};
use raster::{Georeferencing, crs_argument};
use types::location::Kind;
use types::location::gdal_name;

/// The gdalwarp line that brings a file onto a grid.
pub struct Warp<'a> {
    /// The file.
    pub path: &'a str,
    /// What says where its pixels lie.
    pub georeferencing: Georeferencing,
    /// Its CRS, if the file doesn't say it itself.
    pub crs: Option<&'a str>,
    /// The grid to bring it onto; without one, a north-up grid of gdalwarp's choice.
    pub onto: Option<&'a Grid>,
}

impl Warp<'_> {
    /// The advice with its line.
    pub fn advice(&self) -> String {
        format!("resample it (-r bilinear or cubic for measurements, near for classes): {}", self.line())
    }

    /// The line.
    pub fn line(&self) -> String {
        let mut words = vec!["gdalwarp".to_owned()];
        let mut option = |name: &str, values: &[String]| {
            words.push(name.to_owned());
            words.extend(values.iter().map(|v| quoted(v)));
        };
        match self.georeferencing {
            Georeferencing::Polynomials => option("-rpc", &[]),
            Georeferencing::Arrays => option("-geoloc", &[]),
            Georeferencing::Transform | Georeferencing::Points | Georeferencing::None => {}
        }
        if let Some(crs) = self.crs {
            option("-s_srs", &[crs.to_owned()]);
        }
        if let Some(grid) = self.onto {
            if !grid.crs.is_none() {
                option("-t_srs", &[crs_argument(&grid.crs)]);
            }
            let (b, (dx, dy)) = (grid.bounds(), grid.transform.pixel_size());
            option("-te", &[b.x_min, b.y_min, b.x_max, b.y_max].map(|v| v.to_string()));
            option("-tr", &[dx, dy].map(|v| v.to_string()));
        }
        option("-r", &["near".into()]);
        let (file, output) = (gdal_name(self.path).into_owned(), self.output());
        words.extend([quoted(&file), quoted(&output)]);
        words.join(" ")
    }

    /// A name for the result: that of the file, in the present folder if the file's own can't take it.
    fn output(&self) -> String {
        let start = if matches!(Kind::of(self.path), Kind::File(_)) {
            0
        } else {
            self.path.rfind(['/', ':']).map_or(0, |at| at + 1)
        };
        let name = self.path.get(start..).unwrap_or_default().replace('"', "");
        let stem = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !extension.contains('/') => stem,
            _ => &name,
        };
        format!("{stem}-warped.tif")
    }
}

/// The line that gives a file its CRS, or its place on the map.
pub fn edit(path: &str, crs: &Crs, onto: Option<&Grid>) -> String {
    let mut words = vec!["gdal_edit.py".to_owned()];
    if !crs.is_none() {
        words.extend(["-a_srs".to_owned(), quoted(&crs_argument(crs))]);
    }
    if let Some(grid) = onto {
        let b = grid.bounds();
        words.push("-a_ullr".to_owned());
        words.extend([b.x_min, b.y_max, b.x_max, b.y_min].map(|v| v.to_string()));
    }
    words.push(quoted(path));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,+-@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grid::GeoTransform;

    #[test]
    fn lines() {
        let grid = Grid {
            transform: GeoTransform::north_up(500_000.0, 4_000_000.5, 10.0, 0.1),
            rows: 5,
            cols: 20,
            crs: Crs::default(),
        };
        let warp = |path, georeferencing, onto| Warp { path, georeferencing, crs: None, onto }.line();
        assert_eq!(
            warp("a b/it's.tif", Georeferencing::Transform, Some(&grid)),
            r"gdalwarp -te 500000 4000000 500200 4000000.5 -tr 10 0.1 -r near 'a b/it'\''s.tif' 'a b/it'\''s-warped.tif'"
        );
        assert_eq!(
            warp("s3://bucket/key/a.tif", Georeferencing::Polynomials, None),
            "gdalwarp -rpc -r near /vsis3/bucket/key/a.tif a-warped.tif"
        );
        assert_eq!(
            warp("NETCDF:\"x/y.nc\":B4", Georeferencing::Arrays, None),
            "gdalwarp -geoloc -r near 'NETCDF:\"x/y.nc\":B4' B4-warped.tif"
        );
        assert_eq!(
            edit("./a", &Crs::default(), Some(&grid)),
            "gdal_edit.py -a_ullr 500000 4000000.5 500200 4000000 ./a"
        );
        let given = Warp { path: "a.img", georeferencing: Georeferencing::Points, crs: Some("EPSG:32633"), onto: None };
        assert_eq!(given.line(), "gdalwarp -s_srs EPSG:32633 -r near a.img a-warped.tif");
    }
}
