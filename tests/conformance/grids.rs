//! The working grid of files beside each other.

use crate::support::Folder;
use serde_json::json;

/// C14: the footprints of two files 100 pixels apart.
#[test]
fn c14_footprints() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(), nodata=255)
        write('b.tif', ramp(), nodata=255, gt=(501000, 10, 0, 6999000, 0, -10))
        ",
    );
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f.run("--set grid.footprint=intersection").ok();
    f.python(
        "
        a, b = ramp().astype('f4'), ramp().astype('f4')
        same('add.tif', a[100:, 100:] + b[:400, :400])
        assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6999000, 0, -10)
        ",
    );
    f.run("--set grid.footprint=union --set grid.tile=[256,256] --overwrite").ok();
    f.python(
        "
        both = np.full((600, 600), np.nan, 'f4')
        both[100:500, 100:500] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        assert gdal.Open('add.tif').GetGeoTransform() == (500000, 10, 0, 7000000, 0, -10)
        ",
    );
    let report = f.report("--set grid.footprint=union --set grid.tile=[256,256] --overwrite");
    // A tile in a corner that neither file covers is left out.
    assert_eq!((&report["tiles"]["total"], &report["grid"]["rows"]), (&json!(9), &json!(600)));

    f.run("--set grid.footprint=reference --overwrite").ok();
    f.python(
        "
        both = np.full((500, 500), np.nan, 'f4')
        both[100:, 100:] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        ",
    );
    f.run("--set grid.footprint=reference --set grid.reference=other --overwrite").ok();
    f.python("assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6999000, 0, -10)");

    f.run("--set grid.bounds=[501000,6998000,501500,6998200] --overwrite").ok();
    f.python(
        "
        same('add.tif', ramp()[180:200, 100:150].astype('f4') + ramp()[80:100, :50])
        assert gdal.Open('add.tif').GetGeoTransform() == (501000, 10, 0, 6998200, 0, -10)
        ",
    );
    f.run("--set grid.extent_from=['b.tif'] --overwrite").ok();
    f.python(
        "
        both = np.full((500, 500), np.nan, 'f4')
        both[:400, :400] = ramp()[100:, 100:].astype('f4') + ramp()[:400, :400]
        same('add.tif', both)
        ",
    );
}

/// W7: files that all lack a CRS work like files that share one; one that has none doesn't go with one that has.
#[test]
fn w7_files_without_crs() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(), epsg=None); write('b.tif', ramp(), epsg=None); write('c.tif', ramp())");
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif']\n[outputs.mean]\npath = 'mean.tif'\n");
    f.run("").ok();
    f.python("same('mean.tif', ramp()); assert gdal.Open('mean.tif').GetProjection() == ''");
    let run = f.run("--set inputs.images.paths=['a.tif','c.tif'] --overwrite");
    assert!(run.error(2).contains("CRS"), "{}", run.stderr);
}

/// C5: a grid that is 0.9 and 1.9 pixels off is snapped to whole pixels, and its file read by nearest neighbour.
#[test]
fn c5_neighbouring_grids() {
    let f = Folder::new();
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f.python("write('a.tif', ramp(500, 500)); write('b.tif', ramp(500, 500), gt=(500009, 10, 0, 6999981, 0, -10))");
    f.run("--set inputs.other.resampling=nearest").ok();
    f.python(
        "
        r = ramp(500, 500).astype('u2')
        same('add.tif', (r[2:, 1:] + r[:-2, :-1]).astype('f4'))
        mean = np.trunc(read('add.tif') / 2)
        assert (mean.sum(), mean.min(), mean.max()) == (12263748, 0, 99)
        ",
    );
}

/// W6: an input that straddles the edge of another doesn't come through whole, though its latitudes and longitudes lie within the other's.
#[test]
fn w6_intersection_of_one_that_straddles() {
    let f = Folder::new();
    f.python(
        "
        def degrees(gt):
            to = osr.SpatialReference(); to.ImportFromEPSG(4326); to.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
            here = osr.SpatialReference(); here.ImportFromEPSG(28355)
            change = osr.CoordinateTransformation(here, to)
            corners = [change.TransformPoint(gt[0] + c * 10 * n, gt[3] - r * 10 * n)[:2] for r in (0, 1) for c in (0, 1) for n in [gt[6]]]
            return np.min(corners, 0), np.max(corners, 0)
        # Three degrees from the central meridian, where the grid is turned against the meridians.
        big, small = (200000, 10, 0, 7000000, 0, -10, 500), (202500, 10, 0, 7000030, 0, -10, 20)
        (low, high), (inner_low, inner_high) = degrees(big), degrees(small)
        assert (low < inner_low).all() and (inner_high < high).all()
        write('a.tif', ramp(), gt=big[:6]); write('b.tif', ramp(20, 20), gt=small[:6])
        ",
    );
    f.job("add", "[inputs.image]\npath = 'a.tif'\n[inputs.other]\npath = 'b.tif'\n[outputs.add]\npath = 'add.tif'\n");
    f.run("").ok();
    f.python(
        "
        same('add.tif', ramp()[:17, 250:270].astype('f4') + ramp(20, 20)[3:])
        assert gdal.Open('add.tif').GetGeoTransform() == (202500, 10, 0, 7000000, 0, -10)
        ",
    );
}

/// What a union shows where a file has no pixels: invalid ones, with and without nodata, given by the job or not.
#[test]
fn fill_of_a_union() {
    let f = Folder::new();
    f.python(
        "
        write('a.tif', ramp(20, 20) + 1, nodata=0); write('b.tif', ramp(20, 20) + 1, gt=(500100, 10, 0, 7000000, 0, -10))
        ",
    );
    f.job("mean", "[inputs.images]\npaths = ['a.tif', 'b.tif']\n[outputs.mean]\npath = 'mean.tif'\nnodata = 0\n[grid]\nfootprint = 'union'\ntile = [16, 16]\n");
    let run = f.run("");
    assert!(run.error(2).contains("the working grid reaches beyond"), "{}", run.stderr);
    f.run("--set inputs.images.nodata=200").ok();
    f.python(
        "
        both = np.zeros((20, 30), 'u1')
        both[:, 10:20] = (ramp(20, 20)[:, 10:].astype('f4') + ramp(20, 20)[:, :10] + 2) / 2
        same('mean.tif', both, nodata=0)
        ",
    );
    // The function of floats needs no nodata.
    f.job("copy_f64", "[inputs.image]\npath = 'b.tif'\n[outputs.copy_f64]\npath = 'copy.tif'\n[grid]\nreference = 'a.tif'\nfootprint = 'reference'\n");
    f.run("").ok();
    f.python("e = np.full((20, 20), np.nan); e[:, 10:] = ramp(20, 20)[:, :10] + 1; same('copy.tif', e)");
}

/// A halo beyond the working grid shows the file's own pixels, where it has them.
#[test]
fn margins_at_the_edge_of_the_grid() {
    let f = Folder::new();
    f.python("write('a.tif', np.arange(40 * 30, dtype='f4').reshape(40, 30))");
    f.job(
        "moved",
        "[inputs.image]\npath = 'a.tif'\n[outputs.moved]\npath = 'moved.tif'\n[params]\nreach = 3\ndown = -3\nright = 2\n\
         [grid]\nbounds = [500100, 6999700, 500300, 6999980]\ntile = [7, 9]\n",
    );
    f.run("").ok();
    f.python(
        "
        a = np.arange(40 * 30, dtype='f4').reshape(40, 30)
        expected = np.full((28, 20), np.nan, 'f4')
        expected[1:, :18] = a[0:27, 12:30]
        same('moved.tif', expected)
        ",
    );
}
