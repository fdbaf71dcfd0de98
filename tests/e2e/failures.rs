//! Functions that fail: the user reads which tile, what the function said, and where in its source.

use crate::support::{Folder, assert_message};

fn failing() -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 100)); write('out.tif', ramp(5, 5))");
    f.job(
        "fail",
        "[inputs.image]\npath = 'a.tif'\n[outputs.fail]\npath = 'out.tif'\n[params]\nat = 3\n[grid]\ntile = [50, 50]\n",
    );
    f
}

/// Runs the function that fails in this way; the file that was there must be as it was, and nothing else be left.
#[track_caller]
fn message(f: &Folder, how: &str, arguments: &str) -> String {
    let run = f.run(&format!("--overwrite --set workers.count=2 --set params.how={how} {arguments}"));
    let message = run.error(1).to_owned();
    f.python("same('out.tif', ramp(5, 5))");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
    message
}

/// `message` up to the backtrace, of which this returns the first line in the function's own source.
fn split(message: &str) -> (&str, &str) {
    let (head, trace) = message.split_once("\n  at ").unwrap_or_else(|| panic!("no backtrace in:\n{message}"));
    let own = trace.lines().find(|line| line.contains("src/fail.rs:"));
    (head, own.unwrap_or_else(|| panic!("the function's source is not in:\n{message}")))
}

#[test]
fn an_error_of_the_function() {
    let f = failing();
    assert_eq!(
        message(&f, "error", ""),
        "tile 3 (row 1, column 1; pixels 50..100 × 50..100): no sensor called \"WV-9\""
    );
    assert_eq!(
        message(&f, "error", "--set params.at=1"),
        "tile 1 (row 0, column 1; pixels 0..50 × 50..100): no sensor called \"WV-9\""
    );
}

#[test]
fn a_panic() {
    let f = failing();
    let text = message(&f, "panic", "");
    let (head, own) = split(&text);
    let line = line_of("panic!(\"gain must be positive\")");
    assert_eq!(
        head,
        format!(
            "tile 3 (row 1, column 1; pixels 50..100 × 50..100): `process:fail` panicked: gain must be positive, at src/fail.rs:{line}:20"
        )
    );
    assert!(own.contains(&format!("src/fail.rs:{line}")), "{text}");
    // An index out of bounds is the function's mistake: its own line is named, not the library's.
    let text = message(&f, "index", "");
    let line = line_of("image[[bands, 0, 0]]");
    assert!(text.contains(&format!("src/fail.rs:{line}")), "{text}");
    assert!(text.contains("[1, 0, 0] is outside the tile's 1 × 50 × 50 pixels"), "{text}");
}

/// Integers don't wrap: the place is the function's, though its manifest says nothing of overflows.
#[test]
fn an_overflow() {
    let f = failing();
    let text = message(&f, "overflow", "");
    let (head, own) = split(&text);
    let place = format!("src/fail.rs:{}", line_of("\"overflow\" =>"));
    assert!(head.contains("`process:fail` panicked: attempt to subtract with overflow, at "), "{text}");
    assert!(head.contains(&place) && own.contains(&place), "{text}");
}

#[test]
fn a_trap() {
    let f = failing();
    let text = message(&f, "trap", "");
    let (head, own) = split(&text);
    assert_eq!(
        head,
        "tile 3 (row 1, column 1; pixels 50..100 × 50..100): `process:fail` trapped: wasm `unreachable` instruction executed"
    );
    assert!(own.contains(&format!("src/fail.rs:{}", line_of("\"trap\" => trap()"))), "{text}");
}

#[test]
fn limits() {
    let f = failing();
    let tile = "tile 3 (row 1, column 1; pixels 50..100 × 50..100): ";
    let text = message(&f, "endless", "--set limits.time=200ms");
    assert!(text.starts_with(&format!("{tile}`process:fail` ran longer than 200ms, the time limit\n  at ")), "{text}");
    // The tile is small already.
    assert!(text.contains("\nraise limits.time. This tile has 50 × 50 pixels"), "{text}");
    // The compiler may give the loop's own instructions no line: then the file is all that can be said.
    assert!(text.contains("src/fail.rs"), "{text}");
    let text = message(&f, "endless", "--set limits.fuel=100000000");
    assert!(text.starts_with(&format!("{tile}`process:fail` used up its fuel of 100000000\n  at ")), "{text}");
    let text = message(&f, "greedy", "--set limits.memory=64MiB");
    let head = split(&text).0;
    assert!(
        head.starts_with(&format!("{tile}`process:fail` wants 1")) && head.ends_with(", the limit is 67108864"),
        "{head}"
    );
    assert!(text.contains("\nraise limits.memory. This tile has 50 × 50 pixels"), "{text}");
    let text = message(&f, "deep", "--set limits.time=60s");
    assert!(text.starts_with(&format!("{tile}`process:fail` ")) && text.contains("src/fail.rs:"), "{text}");
}

/// Results that the outputs can't take.
#[test]
fn wrong_results() {
    let f = failing();
    assert_eq!(
        message(&f, "bands", ""),
        "output \"fail\": the function returned 2 bands here and 1 in an earlier tile; every tile must have the same"
    );
    assert_eq!(
        message(&f, "size", ""),
        "tile 3 (row 1, column 1; pixels 50..100 × 50..100): output \"fail\": the function returned 50 × 51 pixels, the tile has 50 × 50"
    );
    assert_eq!(
        message(&f, "mark", ""),
        "tile 3 (row 1, column 1; pixels 50..100 × 50..100): output \"fail\": the function marked pixels as having no value, but this \
         uint8 output has no nodata value to write for them; set outputs.fail.nodata in the job file, or nodata = … in the function"
    );
}

/// The same failure on a worker in another process names the worker too.
#[test]
fn a_panic_in_another_process() {
    let f = failing();
    let run = f.run("--overwrite --workers processes:2 --set params.how=panic");
    let text = run.error(1);
    assert!(text.starts_with("tile 3 (row 1, column 1) on "), "{text}");
    assert!(text.contains("gain must be positive") && text.contains("src/fail.rs:"), "{text}");
    f.python("same('out.tif', ramp(5, 5))");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
}

#[test]
fn modules_that_are_none() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(10, 10)); open('empty.wasm', 'wb').close()");
    f.job("nothing", "[inputs.image]\npath = 'a.tif'\n[outputs.nothing]\npath = 'out.tif'\n");
    let message = f.run("").error(2).replace(crate::support::probe().to_str().unwrap(), "PROBE");
    assert!(
        message.starts_with(
            "function.name: PROBE: the module has no function `nothing`; it has `above`, `add`, `bulk`, `classes`, "
        ),
        "{message}"
    );
    f.write("job.toml", "[function]\nmodule = 'empty.wasm'\n");
    assert_message(
        &f,
        f.run("").error(2),
        "function.module: ~/empty.wasm: not a WebAssembly module: it doesn't begin with `\\0asm`",
    );
    f.write("job.toml", "[function]\nmodule = 'a.tif'\n");
    let run = f.run("");
    assert!(
        run.error(2)
            .replace(f.path().to_str().unwrap(), "~")
            .starts_with("function.module: ~/a.tif: not a WebAssembly module: "),
        "{}",
        run.stderr
    );
    f.write("job.toml", "[function]\nmodule = 'gone.wasm'\n");
    assert_message(
        &f,
        f.run("").error(2),
        "function.module: can't read ~/gone.wasm: No such file or directory (os error 2); is it built? tilefn build makes it",
    );
    let module = crate::support::probe();
    f.write("job.toml", &format!("[function]\nmodule = {module:?}\nname = 'copy'\nsha256 = '{}'\n", "0".repeat(64)));
    let run = f.run("");
    assert!(run.error(2).ends_with(&format!(", the job file wants {}", "0".repeat(64))), "{}", run.stderr);
    f.write("job.toml", &format!("[function]\nmodule = {module:?}\n"));
    let run = f.run("");
    assert!(run.error(2).contains("has several functions, name one of them: above, add, "), "{}", run.stderr);
}

/// What functions log reaches the user when asked for, and warnings the report.
#[test]
fn words_of_the_function() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(100, 100))");
    f.job(
        "talkative",
        "[inputs.image]\npath = 'a.tif'\n[outputs.talkative]\npath = 'out.tif'\n[grid]\ntile = [50, 50]\n",
    );
    let run = f.run("-v");
    run.ok();
    for tile in 0..4 {
        assert!(run.stderr.contains(&format!("tile {tile} is fine")), "{}", run.stderr);
    }
    let run = f.run("--overwrite");
    assert!(run.stderr.contains("the sun was low") && !run.stderr.contains("is fine"), "{}", run.stderr);
    let report = f.report("--overwrite");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("the sun was low"), "{warnings}");
    assert_eq!(f.run("--overwrite -q").stderr, "");
}

/// What a function had logged in a tile that then failed is what helps to find out why.
#[test]
fn words_before_a_failure() {
    let f = failing();
    let said = ": no gain\nbefore that, the function had logged:\n  the third detector is dead\n  its gain is 0";
    for workers in ["threads:2", "processes:2"] {
        let message = message(&f, "told", &format!("--workers {workers}"));
        assert!(message.starts_with("tile 3 (row 1, column 1") && message.ends_with(said), "{message}");
    }
}

/// A report says how a run failed, too, so that none of an earlier run is taken for it.
#[test]
fn reports_of_failures() {
    let f = failing();
    let report = |arguments: &str, code: i32| {
        let run = f.run(&format!("--overwrite --report report.json {arguments}"));
        let message = run.error(code).to_owned();
        let report: serde_json::Value = serde_json::from_str(&f.read("report.json")).unwrap();
        assert_eq!((report["exit_code"].as_i64(), report["error"].as_str()), (Some(code.into()), Some(&*message)));
        report
    };
    for workers in ["threads:2", "processes:2"] {
        let report = report(&format!("--set params.how=error --workers {workers}"), 1);
        let tiles = |what: &str| report["tiles"][what].as_u64().unwrap();
        assert_eq!((tiles("total"), tiles("skipped"), tiles("resumed")), (4, 0, 0));
        assert!(tiles("done") <= 3 && report["job"]["function"] == "fail", "{report:#}");
        assert_eq!(report["outputs"], serde_json::json!([]));
    }
    let report = report("--set params.how=error --set params.at=-1", 2);
    assert_eq!(report["job"]["path"], "job.toml");
}

/// The line of the probe's source with this text.
fn line_of(text: &str) -> usize {
    let source = include_str!("../guests/probe/src/fail.rs");
    1 + source.lines().position(|line| line.contains(text)).unwrap()
}
