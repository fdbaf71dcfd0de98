//! Ctrl-C: outputs don't appear half-done, and what is done is there for `--resume`.

use crate::support::{Folder, Running};

/// A job of 100 tiles that takes some seconds.
fn slow() -> Folder {
    counting_to(15_000_000)
}

/// A job of 100 tiles, each of which counts to `steps`.
fn counting_to(steps: u64) -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp()); write('out.tif', ramp(5, 5))");
    f.job(
        "slow",
        &format!(
            "[inputs.image]\npath = 'a.tif'\n[outputs.slow]\npath = 'out.tif'\nstatistics = true\nhistogram = true\nlevels = [2, 4]\n[params]\nsteps = {steps}\n[grid]\ntile = [50, 50]\n"
        ),
    );
    f
}

/// Pixels, statistics, histogram and overviews are those of all tiles, whichever run has written them.
const IS_WHOLE: &str = "
same('out.tif', ramp())
mine = band('out.tif')
for key, value in (('MEAN', ramp().mean()), ('STDDEV', ramp().std())):
    assert abs(float(mine.GetMetadataItem('STATISTICS_' + key)) - value) < 1e-9, mine.GetMetadata()
counts = mine.GetMetadataItem('STATISTICS_HISTOBINVALUES').rstrip('|').split('|')
assert [int(n) for n in counts] == list(np.bincount(ramp().ravel())), counts
assert mine.GetOverviewCount() == 2
for n, level in ((0, 2), (1, 4)):
    assert (mine.GetOverview(n).ReadAsArray() == ramp()[::level, ::level]).all(), level
";

#[test]
fn once_then_resumed() {
    let f = slow();
    for (signal, workers) in [("INT", "threads:2"), ("TERM", "processes:2")] {
        let mut running = Running::start(&f, &format!("--workers {workers}"));
        running.wait_for(" %").signal(signal);
        let run = running.end();
        let message = run.error(130).to_owned();
        assert!(
            message.starts_with("interrupted; nothing was written under the outputs' names; ")
                && message.ends_with(" of 100 tiles are kept: --resume goes on from there"),
            "{message}"
        );
        f.python("same('out.tif', ramp(5, 5))");
        let resumed = f.report("--overwrite --resume --workers threads:2");
        let tiles = |what: &str| resumed["tiles"][what].as_u64().unwrap();
        assert!(tiles("resumed") > 0 && tiles("resumed") + tiles("done") == 100, "{}", resumed["tiles"]);
        f.python(&format!("{IS_WHOLE}\ndel mine; write('out.tif', ramp(5, 5))"));
        assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
    }
}

/// Nothing can be done at the end of a run that is killed; what its journal says is done counts.
#[test]
fn killed_then_resumed() {
    let f = counting_to(150_000_000);
    let journal = f.path().join(".out.tif.tilefn-journal");
    let done = || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|journal| journal["done"]["len"] != 0)
    };
    let mut running = Running::start(&f, "--workers threads:2");
    // A checkpoint is made every five seconds.
    assert!(running.wait_until(done), "it ended before a checkpoint");
    assert_eq!(running.signal("KILL").child.wait().unwrap().code(), None);
    f.python("same('out.tif', ramp(5, 5))");
    let resumed = f.report("--overwrite --resume --workers threads:2");
    let tiles = |what: &str| resumed["tiles"][what].as_u64().unwrap();
    assert!(tiles("resumed") > 0 && tiles("resumed") + tiles("done") == 100, "{}", resumed["tiles"]);
    f.python(IS_WHOLE);
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
}

/// Killed before its first checkpoint, a run leaves nothing to go on from, and the next one takes it away.
#[test]
fn killed_at_once() {
    let f = slow();
    for resume in ["", " --resume"] {
        let mut running = Running::start(&f, "--workers threads:2");
        running.wait_for(" %").signal("KILL").child.wait().unwrap();
        assert!(f.files().len() > 3, "{:?}", f.files());
        let report = f.report(&format!("--overwrite --workers threads:2{resume}"));
        assert_eq!(report["tiles"]["done"], 100);
        f.python("same('out.tif', ramp()); write('out.tif', ramp(5, 5))");
        assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
    }
}

/// A second signal stops functions that never end.
#[test]
fn twice() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 100)); write('out.tif', ramp(5, 5))");
    f.job(
        "fail",
        "[inputs.image]\npath = 'a.tif'\n[outputs.fail]\npath = 'out.tif'\n[params]\nhow = 'endless'\nat = 1\n[grid]\ntile = [50, 50]\n",
    );
    let mut running = Running::start(&f, "--workers threads:2");
    // All but one of the four tiles are done.
    running.wait_for("75 %").signal("INT").wait_for("stopping").signal("INT");
    let run = running.end();
    assert!(run.error(130).starts_with("interrupted; "), "{}", run.stderr);
    f.python("same('out.tif', ramp(5, 5))");
    // A run that doesn't resume removes what was kept.
    f.run("--overwrite --set params.how=error --set params.at=9").ok();
    f.python("same('out.tif', ramp(100, 100))");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
}

/// Two runs that write the same file would mix it.
#[test]
fn two_runs_at_once() {
    let f = slow();
    let mut running = Running::start(&f, "");
    running.wait_for(" %");
    let second = f.run("--overwrite");
    assert_eq!(second.code, 2, "{}", second.stderr);
    assert!(second.stderr.contains("another run is writing the same outputs"), "{}", second.stderr);
    running.signal("INT");
    running.end().error(130);
}

/// Two jobs that have only their second output in common would mix it, too.
#[test]
fn two_jobs_with_one_output_in_common() {
    let f = Folder::new();
    f.python("write('a.tif', ramp().astype('u2'))");
    let job = "[params]\nsteps = 15000000\n[inputs.image]\npath = 'a.tif'\n[outputs.added]\npath = '1.tif'\n[outputs.tile]\npath = 'both.tif'\n\
               [grid]\ntile = [50, 50]\nedge = 'nearest'\n";
    f.job("labour", job);
    let mut running = Running::start(&f, "");
    running.wait_for(" %");
    let second = f.run("--overwrite --set outputs.added.path=2.tif");
    assert!(second.error(2).contains("another run is writing the same outputs (it holds "), "{}", second.stderr);
    assert!(second.stderr.contains(".both.tif.tilefn-lock"), "{}", second.stderr);
    running.signal("INT");
    running.end().error(130);
}

/// What an earlier run left can be damaged; a run that doesn't resume doesn't need it.
#[test]
fn a_damaged_journal() {
    let f = slow();
    for nonsense in ["{", "", "{\"version\": 1}", "{\"version\": 2}"] {
        f.write(".out.tif.tilefn-journal", nonsense);
        let run = f.run("--overwrite --resume");
        assert!(run.error(2).contains(".out.tif.tilefn-journal"), "{}", run.stderr);
    }
    f.run("--overwrite --set params.steps=1").ok();
    f.python("same('out.tif', ramp())");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
}

/// What the function accumulates is as safe as the pixels: also when the second signal comes while states are joined.
#[test]
fn a_sum_survives() {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(400 * 400) % 251).astype('u2').reshape(400, 400))");
    let job = "[params]\nsteps = 3000000\n[inputs.image]\npath = 'a.tif'\n[grid]\ntile = [20, 20]\nedge = 'nearest'\n";
    f.job("labour", job);
    let expected = f.python(
        "a = np.pad(read('a.tif')[0].astype('u4'), 1, mode='edge'); result = int((a[1:-1, 1:-1] + a[:-2, :-2]).sum(dtype='u8'))",
    );
    let order = (1..=400_u64).fold(0_u64, |order, tile| order.wrapping_mul(31).wrapping_add(tile));
    for signals in [&["INT"][..], &["TERM", "TERM"]] {
        let mut running = Running::start(&f, "--workers threads:8");
        running.wait_for(" %");
        for signal in signals {
            running.signal(signal);
        }
        let run = running.end();
        assert!(run.error(130).ends_with(" of 400 tiles are kept: --resume goes on from there"), "{}", run.stderr);
        let report = f.report("--resume --workers threads:2");
        assert!(report["tiles"]["resumed"].as_u64().unwrap() > 0, "{}", report["tiles"]);
        assert_eq!(report["result"], serde_json::json!([400, expected, order.to_string()]));
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
    }
}

/// A run goes on only with the inputs, the parameters and all else that it began with; what has changed is named.
#[test]
fn what_has_changed_is_named() {
    let f = slow();
    f.python(
        "
        write('b.tif', ramp())
        gdal.Translate('inner.vrt', 'b.tif', format='VRT')
        gdal.Translate('outer.vrt', 'inner.vrt', format='VRT')
        ",
    );
    f.write("job.toml", &f.read("job.toml").replace("a.tif", "outer.vrt"));
    let mut running = Running::start(&f, "--workers threads:2");
    running.wait_for(" %").signal("INT");
    running.end().error(130);
    let kept = f.files();
    let refused = |arguments: &str, named: &str| {
        let run = f.run(&format!("--overwrite --resume {arguments}"));
        let message = run.error(2).to_owned();
        assert!(message.contains(named) && message.contains("since the run that is to be resumed ("), "{message}");
        message
    };
    refused("--set params.steps=7", "params.steps has changed");
    refused("--set outputs.slow.options=['COMPRESS=NONE']", "outputs.slow has changed");
    refused("--set inputs.image.nodata=3", "inputs.image has changed");
    refused("--set grid.edge=nearest", "grid has changed");
    refused("--set limits.fuel=1000000000000", "limits has changed");
    // A file beside the source of the source of the input.
    f.write(
        "b.tif.aux.xml",
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>",
    );
    refused("", "/b.tif.aux.xml is new");
    std::fs::remove_file(f.path().join("b.tif.aux.xml")).unwrap();
    let source = f.path().join("b.tif");
    let modified = std::fs::metadata(&source).unwrap().modified().unwrap();
    f.python("write('b.tif', ramp() // 2)");
    let message = refused("", "/b.tif has changed");
    assert!(message.starts_with("input image: "), "{message}");
    // All that was done is still there, and is gone on with once the input is what it was.
    f.python("write('b.tif', ramp())");
    std::fs::File::options().write(true).open(&source).unwrap().set_modified(modified).unwrap();
    assert_eq!(f.files(), kept);
    let report = f.report("--overwrite --resume --workers threads:2");
    assert!(report["tiles"]["resumed"].as_u64().unwrap() > 0, "{}", report["tiles"]);
    f.python("same('out.tif', ramp())");
}
