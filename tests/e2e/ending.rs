//! The end of a run, when all tiles are done: outputs are completed, and get their names. Whatever goes wrong there, nothing of it is lost.

use crate::support::s3::{Answer, S3};
use crate::support::{Folder, Run, Running};
use serde_json::Value;

/// A job with two outputs and a sum.
fn labour(added: &str, tile: &str, more: &str) -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(512 * 512, dtype='u8') * 7919 % 60000).astype('u2').reshape(512, 512))");
    f.job(
        "labour",
        &format!(
            "[inputs.image]\npath = 'a.tif'\n[outputs.added]\npath = '{added}'\n{more}\n[outputs.tile]\npath = '{tile}'\n{more}\n\
             [grid]\ntile = [64, 64]\nedge = 'nearest'\n"
        ),
    );
    f
}

/// The two files are as numpy has them.
fn is_right(f: &Folder) {
    f.python(
        "
        a = np.pad(read('a.tif')[0].astype('u4'), 1, mode='edge')
        r, c = np.mgrid[:512, :512]
        same('added.tif', a[1:-1, 1:-1] + a[:-2, :-2])
        same('tile.tif', (r // 64 * 8 + c // 64).astype('u2'))
        ",
    );
}

/// What the journal says of each file.
fn journal(f: &Folder, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(f.path().join(name)).unwrap_or_default();
    let journal: Value = serde_json::from_str(&text).unwrap_or_default();
    let files =
        journal["files"].as_array().into_iter().flatten().flat_map(|files| files.as_array().into_iter().flatten());
    files.map(|file| file["is"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The second of two files can't get its name.
#[test]
fn a_name_that_is_taken() {
    let f = labour("added.tif", "tile.tif", "");
    let mut running = Running::of({
        let mut command = f.command();
        command.args(["run", "job.toml", "--set", "params.steps=20000000", "--report", "report.json"]);
        command
    });
    running.wait_for(" %");
    std::fs::create_dir(f.path().join("tile.tif")).unwrap();
    f.write("tile.tif/somebody's", "file");
    let run = running.end();
    let message = run.error(1).to_owned();
    assert!(message.contains("tile.tif: giving it its name: it is a folder; "), "{message}");
    assert!(
        message.ends_with("added.tif is complete; 64 of 64 tiles are kept: --resume goes on from there"),
        "{message}"
    );
    let report: Value = serde_json::from_str(&f.read("report.json")).unwrap();
    assert_eq!((&report["tiles"]["done"], report["outputs"].as_array().unwrap().len()), (&64.into(), 1), "{report:#}");
    // What is in the way stays.
    let run = f.run("--resume --set params.steps=20000000");
    assert_eq!(f.read("tile.tif/somebody's"), "file");
    run.error(2);
    std::fs::remove_dir_all(f.path().join("tile.tif")).unwrap();
    let before = std::fs::metadata(f.path().join("added.tif")).unwrap().modified().unwrap();
    let report = f.report("--resume --set params.steps=20000000");
    assert_eq!((&report["tiles"]["resumed"], &report["tiles"]["done"]), (&64.into(), &0.into()));
    assert_eq!(report["result"][0], 64);
    assert_eq!(std::fs::metadata(f.path().join("added.tif")).unwrap().modified().unwrap(), before);
    is_right(&f);
    assert_eq!(f.files(), ["a.tif", "added.tif", "job.toml", "report.json", "tile.tif"]);
}

/// An upload that is refused, of the first or the second of two files.
#[test]
fn refused_uploads() {
    for (end, refusal) in [
        ("added.tif", Answer::Refuse(403, "AccessDenied")),
        ("tile.tif", Answer::Refuse(503, "SlowDown")),
        ("tile.tif", Answer::Refuse(400, "ExpiredToken")),
    ] {
        let (s3, f) = (S3::start(), labour("/vsis3/refused-uploads/added.tif", "/vsis3/refused-uploads/tile.tif", ""));
        let run =
            |arguments: &[&str]| Run::of(s3.command(&f).args(["run", "job.toml"]).args(arguments).output().unwrap());
        s3.rule(end, refusal);
        let failed = run(&[]);
        let message = failed.error(1);
        assert!(message.contains(&format!("/vsis3/refused-uploads/{end}: giving it its name: ")), "{message}");
        assert!(message.ends_with("64 of 64 tiles are kept: --resume goes on from there"), "{message}");
        // It goes on from there, however often.
        run(&["--resume"]).error(1);
        s3.rule(end, Answer::Accept);
        run(&["--resume"]).ok();
        // What was uploaded once isn't again.
        let uploads = s3.uploads();
        let first = uploads.iter().filter(|key| key.ends_with("added.tif")).count();
        assert_eq!(first, if end == "added.tif" { 3 } else { 1 }, "{uploads:?}");
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
        assert_eq!(s3.left(), [""; 0]);
        assert_eq!(s3.save(&f), ["refused-uploads/added.tif", "refused-uploads/tile.tif"]);
        is_right(&f);
    }
}

/// A place in S3 where outputs may not be written is refused before the first tile.
#[test]
fn a_bucket_without_the_right_to_write() {
    let f = labour("/vsis3/no-right-to-write/added.tif", "/vsis3/no-right-to-write/tile.tif", "");
    let s3 = S3::start();
    s3.rule("/.tilefn-probe-added.tif", Answer::Refuse(403, "AccessDenied"));
    let run = Run::of(s3.command(&f).args(["run", "job.toml"]).output().unwrap());
    let message = run.error(1);
    assert!(message.contains("can't write /vsis3/no-right-to-write/.tilefn-probe-added.tif to try: "), "{message}");
    assert_eq!((s3.uploads().len(), s3.left().len()), (0, 0));
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
}

/// A store in which nothing can be written is refused before the first tile.
#[test]
fn a_store_that_takes_nothing() {
    let f = labour("/vsicurl/http://127.0.0.1:1/added.tif", "tile.tif", "");
    let run = f.run("--report report.json");
    assert!(
        run.error(1).contains("output \"added\": can't create /vsicurl/http://127.0.0.1:1/added.tif: can't write "),
        "{}",
        run.stderr
    );
    let report: Value = serde_json::from_str(&f.read("report.json")).unwrap();
    assert_eq!(report["exit_code"], 1);
    assert_eq!(f.files(), ["a.tif", "job.toml", "report.json"]);
}

/// Killed, or told to stop, while a file is on its way.
#[test]
fn ended_while_uploading() {
    for signal in ["KILL", "TERM"] {
        let (s3, f) = (
            S3::start(),
            labour("/vsis3/ended-while-uploading/added.tif", "/vsis3/ended-while-uploading/tile.tif", ""),
        );
        s3.rule("added.tif", Answer::Wait);
        let mut running = Running::of({
            let mut command = s3.command(&f);
            command.args(["run", "job.toml"]);
            command
        });
        assert!(running.wait_until(|| s3.uploads().len() == 1));
        // Another job can't write there meanwhile.
        let other = |s3: &S3| {
            Run::of(s3.command(&f).args(["run", "job.toml", "--set", "outputs.tile.path=x.tif"]).output().unwrap())
        };
        assert!(other(&s3).error(2).contains("another run is writing the same outputs"));
        running.signal(signal);
        if signal == "TERM" {
            running.wait_for("stopping");
        }
        s3.rule("added.tif", Answer::Accept);
        let run = running.end();
        if signal == "TERM" {
            // The file under way is completed, the other one not begun.
            let message = run.error(130);
            assert!(
                message.starts_with("interrupted; /vsis3/ended-while-uploading/added.tif is complete; 64 of 64 tiles"),
                "{message}"
            );
            assert_eq!(s3.uploads(), ["ended-while-uploading/added.tif"]);
        }
        Run::of(s3.command(&f).args(["run", "job.toml", "--resume"]).output().unwrap()).ok();
        assert_eq!(f.files(), ["a.tif", "job.toml"]);
        assert_eq!(s3.save(&f), ["ended-while-uploading/added.tif", "ended-while-uploading/tile.tif"]);
        is_right(&f);
    }
}

/// Ended while statistics and overviews are made, or a COG is copied: all is as if it had not been.
#[test]
fn ended_while_finishing() {
    let more = "statistics = true\nhistogram = true\nlevels = [2, 4, 8, 16]";
    for driver in ["GTiff", "COG"] {
        let f = Folder::new();
        f.python("write('a.tif', (np.arange(3000 * 2500, dtype='u8') * 7919 % 251).astype('u1').reshape(3000, 2500))");
        f.job(
            "copy",
            &format!("[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'out.tif'\ndriver = '{driver}'\n{more}\n"),
        );
        f.run("--set outputs.copy.path=whole.tif").ok();
        for (signal, stage) in [("TERM", "unfinished"), ("KILL", "unfinished"), ("KILL", "complete"), ("KILL", "named")]
        {
            let mut running = Running::start(&f, "");
            let seen = running.wait_until(|| journal(&f, ".out.tif.tilefn-journal") == [stage]);
            if seen {
                running.signal(signal);
            }
            let run = running.end();
            // It may have been faster than the signal. Without a journal all was done, and the pixels below tell.
            let killed_at_the_end = run.code != 0 && !f.path().join(".out.tif.tilefn-journal").exists();
            if run.code != 0 && !killed_at_the_end {
                if signal == "TERM" {
                    assert!(run.error(130).ends_with("tiles are kept: --resume goes on from there"), "{}", run.stderr);
                }
                let report = f.report("--resume");
                assert_eq!(report["tiles"]["done"], 0, "{stage}");
            }
            f.python(
                "
                same('out.tif', read('a.tif'))
                mine, whole = band('out.tif'), band('whole.tif')
                assert mine.GetOverviewCount() == whole.GetOverviewCount() > 0
                for n in range(mine.GetOverviewCount()):
                    assert (mine.GetOverview(n).ReadAsArray() == whole.GetOverview(n).ReadAsArray()).all(), n
                assert mine.GetMetadata() == whole.GetMetadata(), (mine.GetMetadata(), whole.GetMetadata())
                assert abs(float(mine.GetMetadataItem('STATISTICS_MEAN')) - read('a.tif').mean()) < 1e-6
                os.remove('out.tif')
                ",
            );
            if killed_at_the_end {
                // Only the lock's file was still there. It holds nobody, and the next run removes it.
                f.run("").ok();
                f.python("os.remove('out.tif')");
            }
            let left: Vec<_> = f.files().into_iter().filter(|name| name.contains("tilefn")).collect();
            assert_eq!(left, Vec::<String>::new(), "{signal} {stage}");
        }
    }
}

/// An unfinished output that somebody has removed is an error, not a success without a file.
#[test]
fn a_folder_that_is_gone() {
    let f = labour("/vsis3/a-folder-that-is-gone/added.tif", "/vsis3/a-folder-that-is-gone/tile.tif", "");
    let s3 = S3::start();
    let run = |arguments: &[&str]| Run::of(s3.command(&f).args(["run", "job.toml"]).args(arguments).output().unwrap());
    s3.rule("tile.tif", Answer::Refuse(403, "AccessDenied"));
    run(&[]).error(1);
    let folder = f.files().into_iter().find(|name| name.contains(".tile.tif.tilefn-")).unwrap();
    std::fs::remove_dir_all(f.path().join(&folder)).unwrap();
    let failed = run(&["--resume"]);
    let message = failed.error(1);
    assert!(
        message.starts_with("output \"tile\": ") && message.contains(&folder) && message.contains("is gone"),
        "{message}"
    );
    // Afresh, it does.
    s3.rule("tile.tif", Answer::Accept);
    run(&["--overwrite"]).ok();
    s3.save(&f);
    is_right(&f);
}

/// A run that is planned in vain takes nothing away from the one before it.
#[test]
fn a_mistake_in_between() {
    let f = labour("/vsis3/a-mistake-in-between/added.tif", "/vsis3/a-mistake-in-between/tile.tif", "");
    let s3 = S3::start();
    let run = |arguments: &[&str]| Run::of(s3.command(&f).args(["run", "job.toml"]).args(arguments).output().unwrap());
    s3.rule("tile.tif", Answer::Refuse(403, "AccessDenied"));
    run(&[]).error(1);
    // Without --resume, the first output is in the way.
    assert!(run(&[]).error(2).contains("/vsis3/a-mistake-in-between/added.tif exists"));
    s3.rule("tile.tif", Answer::Accept);
    run(&["--resume"]).ok();
    s3.save(&f);
    is_right(&f);
}
