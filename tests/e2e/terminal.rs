//! What reaches the terminal: nothing from others as it is, all that the user asked for, or an error.

use crate::support::{Folder, Run, TILEFN};
use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

/// One of each kind, as TOML and Python spell it: an escape sequence, DEL, the C1 form of one, bidi marks, overrides, isolates, a mark of
/// byte order, a space without width.
const SPELT: &str = r"\u001b[2J\u007f\u009b2J\u200e\u202e\u2066\ufeff\u200b";
/// As it is shown.
const SHOWN: &str = r"\u{1b}[2J\u{7f}\u{9b}2J\u{200e}\u{202e}\u{2066}\u{feff}\u{200b}";

/// What a terminal acts on, written down here once more.
fn is_hostile(c: char) -> bool {
    let n = u32::from(c);
    (n < 0x20 && c != '\n' && c != '\t')
        || (0x7f..0xa0).contains(&n)
        || [0x61c, 0xfeff].contains(&n)
        || [0x200b..=0x200f, 0x2028..=0x202e, 0x2060..=0x206f].iter().any(|range| range.contains(&n))
}

#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.chars().any(is_hostile), "{text:?}");
}

#[track_caller]
fn assert_run(run: &Run, code: i32) {
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    assert_harmless(&run.stdout);
    assert_harmless(&run.stderr);
}

/// A job with such names for its files and bands, whose function tells all that it's told.
fn job() -> Folder {
    let f = Folder::new();
    f.python(&format!("write('a{SPELT}.tif', ramp(20, 20).astype('u1'), names=['b{SPELT}'])"));
    f.job(
        "context",
        &format!("[inputs.image]\npath = \"a{SPELT}.tif\"\n[inputs.others]\npaths = [\"a{SPELT}.tif\"]\n"),
    );
    f
}

#[test]
fn names_of_files_and_bands_and_what_a_function_finds() {
    let f = job();
    for kind in ["threads:1", "processes:1"] {
        let run = f.run(&format!("--report report.json --workers {kind}"));
        assert_run(&run, 0);
        assert!(run.stderr.contains(&format!("/a{SHOWN}.tif (1 band")), "{}", run.stderr);
        // As JSON, it's the same text for a program.
        let json = f.run(&format!("--json --workers {kind}"));
        assert_run(&json, 0);
        let last: Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
        let report = f.read("report.json");
        assert_harmless(&report);
        let report: Value = serde_json::from_str(&report).unwrap();
        // GDAL's own file beside the raster can't hold an escape.
        let band = "b[2J\u{7f}\u{9b}2J\u{200e}\u{202e}\u{2066}\u{feff}\u{200b}";
        for result in [&report["result"], &last["report"]["result"]] {
            assert_eq!(result[0]["inputs"][0]["bands"][0][0], band);
        }
        // And what people see is JSON too.
        let (_, result) = run.stdout.split_once("result ").unwrap();
        let result = result.split_once("\n]\n").unwrap().0.to_owned() + "\n]";
        assert_eq!(&serde_json::from_str::<Value>(&result).unwrap(), &report["result"]);
    }
}

#[test]
fn errors_of_gdal_and_about_the_job() {
    let f = job();
    f.python(&format!("open('no{SPELT}.tif', 'w').write('no raster')"));
    for path in ["no", "gone"] {
        f.job("copy", &format!("[inputs.image]\npath = \"{path}{SPELT}.tif\"\n[outputs.copy]\npath = 'o.tif'\n"));
        for arguments in ["", "--json", "--dry-run", "-v"] {
            assert_run(&f.run(arguments), 2);
        }
        assert!(f.run("").error(2).contains(&format!("{path}{SHOWN}.tif")));
    }
    f.job("copy", &format!("[inputs.\"x{SPELT}\"]\npath = 'x'\n[\"{SPELT}\"]\n"));
    assert_run(&f.run(""), 2);
    let name = format!("a{}.tif", "\u{1b}[2J\u{7f}\u{9b}2J\u{200e}\u{202e}\u{2066}\u{feff}\u{200b}");
    assert_run(&f.tilefn(["preview", &name, "-o", "o.png"]), 0);
    assert_run(&f.tilefn(["inspect", &name]), 2);
    assert_run(&f.tilefn(["run", &name]), 2);
    // An argument too many, as of `tilefn run *`.
    assert_run(&f.tilefn(["run", "job.toml", &name]), 2);
}

/// Runs the program with its standard output there.
fn printing_to(f: &Folder, out: impl Into<Stdio>, arguments: &[&str]) -> Run {
    let child = f.command().args(arguments).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    Run::of(child.wait_with_output().unwrap())
}

#[test]
fn a_full_standard_output_is_an_error_and_a_closed_one_is_not() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10).astype('u1'))");
    f.job("sum_count", "[inputs.image]\npath = 'a.tif'\n");
    let module = crate::support::probe();
    let module = module.to_str().unwrap();
    for arguments in [
        &["schema"][..],
        &["inspect", module],
        &["inspect", module, "--json"],
        &["run", "job.toml"],
        &["run", "job.toml", "--json"],
    ] {
        let full = printing_to(&f, File::create("/dev/full").unwrap(), arguments);
        if arguments.contains(&"--json") {
            assert_eq!((full.code, full.stderr.contains("panicked")), (1, false), "{}", full.stderr);
        } else {
            assert_eq!(full.error(1), "can't write to standard output: No space left on device (os error 28)");
        }
        let (read, write) = std::io::pipe().unwrap();
        drop(read);
        let closed = printing_to(&f, write, arguments);
        assert_eq!((closed.code, closed.stderr.contains("error")), (0, false), "{}", closed.stderr);
    }
}

#[test]
fn a_full_standard_error_is_none() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10).astype('u1'))");
    f.job("talkative", "[inputs.image]\npath = 'a.tif'\n[outputs.talkative]\npath = 'o.tif'\n");
    for arguments in
        [&["run", "job.toml", "--overwrite", "-vv"][..], &["run", "gone.toml"], &["preview", "gone.tif", "-o", "x"]]
    {
        let status = f.command().args(arguments).stderr(File::create("/dev/full").unwrap()).output().unwrap().status;
        let expected = if arguments[1] == "job.toml" { 0 } else { 2 };
        assert!(
            status.code() == Some(expected) || status.code() == Some(1) && expected == 2,
            "{arguments:?}: {status}"
        );
    }
}

/// Where a file may not grow, that is an error that says so, and no signal's.
#[test]
fn a_limit_for_the_size_of_files_is_an_error() {
    let f = Folder::new();
    f.python("write('a.tif', np.arange(1 << 20, dtype='u4').reshape(1024, 1024).astype('f4'))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'o.tif'\noptions = ['COMPRESS=NONE']\n");
    for kind in ["threads:2", "processes:1"] {
        let mut command = std::process::Command::new("prlimit");
        command.args(["--fsize=1000000:1000000", TILEFN, "run", "job.toml", "--workers", kind]).current_dir(f.path());
        let like = f.command();
        command.stdin(Stdio::null()).envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let run = Run::of(command.output().unwrap());
        let error = run.error(1);
        assert!(error.contains("File too large") || error.contains("copy"), "{error}");
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert!(!f.path().join("o.tif").exists());
    }
}

/// As a user who may not have more threads, but may read all files: limits don't hold for root.
#[test]
fn too_few_threads_is_an_error_before_anything_is_begun() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return;
    }
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10).astype('u1'))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'o.tif'\n");
    for kind in ["threads:4", "processes:2"] {
        for most in [1, 2, 4, 8] {
            let mut command = std::process::Command::new("setpriv");
            command.args(["--reuid=64999", "--regid=64999", "--clear-groups"]);
            command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "prlimit"]);
            command.arg(format!("--nproc={most}:{most}")).args([TILEFN, "run", "job.toml", "--workers", kind]);
            let like = f.command();
            command.current_dir(f.path()).stdin(Stdio::null()).envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
            let run = Run::of(command.output().unwrap());
            assert_eq!((run.code, run.stderr.contains("panicked")), (3, false), "{most} {kind}: {}", run.stderr);
            assert_eq!(f.files(), ["a.tif", "job.toml"]);
        }
    }
}
