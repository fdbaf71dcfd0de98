//! Outputs that a later run goes on with: stopped at any step of their finishing, or left by a process that was killed.

use crate::support::{fill_target, folder, names, python, target_spec};
use std::fs;
use std::path::Path;
use tilefn_abi::DType;
use tilefn_raster::{Complete, Error, Incomplete, Overviews, Target, TargetSpec};

fn spec(folder: &Path, name: &str, driver: &str) -> TargetSpec {
    TargetSpec {
        driver: Some(driver.into()),
        statistics: true,
        histogram: true,
        overviews: Overviews::Levels(vec![2, 4]),
        ..target_spec(folder, name, (600, 500), DType::UInt8)
    }
}

fn value(_: i64, row: i64, col: i64) -> u8 {
    ((row * 7 + col * 3) % 251) as u8
}

/// All of it is there, as it is in a file that nobody has disturbed.
#[track_caller]
fn is_whole(folder: &Path, name: &str) {
    python(
        folder,
        &format!(
            "
dataset, whole = gdal.Open('{name}'), gdal.Open('whole-{name}')
row, col = np.mgrid[0:600, 0:500]
assert (dataset.ReadAsArray() == (row * 7 + col * 3) % 251).all()
mine, its = dataset.GetRasterBand(1), whole.GetRasterBand(1)
assert mine.GetOverviewCount() == its.GetOverviewCount() > 0, mine.GetOverviewCount()
for n in range(mine.GetOverviewCount()):
    assert (mine.GetOverview(n).ReadAsArray() == its.GetOverview(n).ReadAsArray()).all(), n
assert mine.GetMetadata() == its.GetMetadata()"
        ),
    );
}

#[test]
fn stopped_at_any_step() {
    for (name, driver) in [("a.tif", "GTiff"), ("b.tif", "COG"), ("c.img", "HFA"), ("d.dat", "ENVI")] {
        let dir = folder();
        let mut whole = Target::create(spec(dir.path(), &format!("whole-{name}"), driver)).unwrap();
        fill_target(&mut whole, value).unwrap();
        whole.finish(&mut |_| true).unwrap();
        let before = names(dir.path());
        let mut target = Target::create(spec(dir.path(), name, driver)).unwrap();
        fill_target(&mut target, value).unwrap();
        let mut stop_at = 0;
        // One step further each time, until there is none.
        let complete = loop {
            let mut steps = 0;
            let stopped = target.complete(&mut |_| {
                steps += 1;
                steps <= stop_at
            });
            match stopped {
                Ok(complete) => break complete,
                Err(Incomplete { error: Error::Stopped { .. }, target: mut left }) => {
                    let unfinished = left.checkpoint().unwrap().expect(driver).unfinished();
                    left.keep(true);
                    drop(left);
                    target = Target::resume(spec(dir.path(), name, driver), &unfinished).unwrap();
                }
                Err(other) => panic!("{driver}: {other}"),
            }
            stop_at = stop_at * 2 + 1;
        };
        assert!(stop_at > 3, "{driver}");
        // Complete, and left without a name.
        let saved = complete.saved();
        let mut complete = complete;
        complete.keep(true);
        drop(complete);
        let path = spec(dir.path(), name, driver).path;
        let mut complete = Complete::resume(&path, &saved).unwrap();
        complete.publish(false).unwrap();
        // Its name is noted only later, so it may be asked for again.
        drop(complete);
        complete = Complete::resume(&path, &saved).unwrap();
        complete.publish(false).unwrap();
        complete.keep(false);
        drop(complete);
        is_whole(dir.path(), name);
        let more: Vec<_> =
            names(dir.path()).into_iter().filter(|n| !before.contains(n) && !n.starts_with(name)).collect();
        assert!(more.iter().all(|n| n.starts_with("d.")), "{more:?}");
    }
}

/// To write a new directory, GDAL takes the way to the old one out of the head first.
#[test]
fn killed_while_the_directory_was_written() {
    for (big, place) in [("NO", 4..8), ("YES", 8..16)] {
        let dir = folder();
        let spec = || TargetSpec { options: vec![format!("BIGTIFF={big}")], ..spec(dir.path(), "a.tif", "GTiff") };
        let mut whole =
            Target::create(TargetSpec { path: format!("{}/whole-a.tif", dir.path().display()), ..spec() }).unwrap();
        fill_target(&mut whole, value).unwrap();
        whole.finish(&mut |_| true).unwrap();
        let mut target = Target::create(spec()).unwrap();
        fill_target(&mut target, value).unwrap();
        let unfinished = target.checkpoint().unwrap().unwrap().unfinished();
        target.keep(true);
        drop(target);
        let file = dir.path().join(&unfinished.folder).join("a.tif");
        let mut bytes = fs::read(&file).unwrap();
        bytes[place].fill(0);
        fs::write(&file, bytes).unwrap();
        Target::resume(spec(), &unfinished).unwrap().finish(&mut |_| true).unwrap();
        is_whole(dir.path(), "a.tif");
    }
}

/// What is there under a folder's or a file's name is looked at before it is taken.
#[test]
fn what_is_another_is_refused() {
    let dir = folder();
    let spec = || spec(dir.path(), "a.tif", "GTiff");
    let mut target = Target::create(spec()).unwrap();
    fill_target(&mut target, value).unwrap();
    let mut complete = target.complete(&mut |_| true).unwrap();
    let saved = complete.saved();
    complete.keep(true);
    drop(complete);
    let file = dir.path().join(&saved.folder).join("a.tif");
    let refused = |saved: &tilefn_raster::Saved| Complete::resume(&spec().path, saved).unwrap_err().to_string();
    let mut other = saved.clone();
    other.folder = "..".into();
    assert!(refused(&other).contains("is not a folder of this output"));
    other = saved.clone();
    other.entries = vec!["../a.tif".into()];
    assert!(refused(&other).contains("outside its folder"));
    fs::write(&file, "somebody's").unwrap();
    assert!(refused(&saved).contains("is gone, or is another"));
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert!(refused(&saved).contains("is gone"));
}
