//! Programs that do what they must not: whatever they try, the run ends in a message or goes on unharmed.

use crate::job;
use crate::support::Folder;

const TILE: &str = "tile 0 (row 0, column 0; pixels 0..16 × 0..16): ";

const IO: &str = "[inputs.image]\npath = 'a.tif'\n[outputs.hostile]\npath = 'out.tif'\n[grid]\ntile = [16, 16]\nskip_empty = false\n";

fn folder() -> Folder {
    let f = Folder::new();
    f.python("write('a.tif', ramp(32, 32))");
    job(&f, "hostile.py", IO);
    f
}

/// The message of a run that fails.
#[track_caller]
fn message(how: &str, arguments: &str) -> String {
    let f = folder();
    let message = f.run(&format!("--workers threads:1 --set params.how={how} {arguments}")).error(1).to_owned();
    assert_eq!(f.files(), ["a.tif", "job.toml"]);
    message.strip_prefix(TILE).unwrap_or_else(|| panic!("{message}")).to_owned()
}

/// What a run that succeeds says: every tile is the first of its instance.
#[track_caller]
fn harmless(how: &str, arguments: &str) -> String {
    let f = folder();
    let run = f.run(&format!("-v --set params.how={how} {arguments}"));
    run.ok();
    f.python("same('out.tif', np.ones((32, 32), 'u1'))");
    run.stderr.clone()
}

fn line_of(text: &str) -> usize {
    let source = std::fs::read_to_string(crate::function("hostile.py")).unwrap();
    source.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn files() {
    let said = harmless("files", "");
    assert_eq!(said.matches("refused: ").count(), 4 * 19, "{said}");
}

#[test]
fn environment() {
    harmless("environment", "");
}

#[test]
fn network() {
    let said = harmless("network", "");
    assert!(said.contains("refused: "), "{said}");
}

#[test]
fn processes() {
    harmless("processes", "");
}

#[test]
fn threads() {
    harmless("threads", "");
}

#[test]
fn native_code() {
    harmless("ctypes", "");
}

/// Clocks stand still, and chance is the same in every tile of every run.
#[test]
fn clock_and_chance() {
    let chance = |said: &str| {
        let all: Vec<_> = said.lines().filter_map(|line| Some(line.split_once("random ")?.1.to_owned())).collect();
        assert_eq!(all.len(), 4, "{said}");
        assert!(all.iter().all(|one| *one == all[0]), "{said}");
        all[0].clone()
    };
    let one = chance(&harmless("clock", "--workers threads:1"));
    assert_eq!(one, chance(&harmless("clock", "--workers processes:2")));
}

/// Nor does a file tell when and where the function runs: two runs write the files that go along to two folders.
#[test]
fn times_and_numbers_of_files() {
    let f = folder();
    let include = format!("include = [{:?}, {:?}]\n{IO}", crate::function("focal.py"), crate::function("helpers"));
    job(&f, "hostile.py", &include);
    let told = |arguments: &str| {
        let run = f.run(&format!("-v --overwrite --set params.how=file_times {arguments}"));
        run.ok();
        let mut told: Vec<_> =
            run.stderr.lines().filter_map(|line| Some(line.split_once("told: ")?.1.to_owned())).collect();
        assert_eq!(told.len(), 4 * 6, "{}", run.stderr);
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 6, "{told:#?}");
        told
    };
    let one = told("--workers threads:1");
    assert_eq!(one, told("--workers processes:2"));
    assert!(
        one.iter().any(|line| line.starts_with("['focal.py', 'helpers', 'hostile.py'] [('scaling.py', ")),
        "{one:#?}"
    );
}

/// The host's own files are counted with the function's.
#[test]
fn open_files() {
    harmless("open_files", "");
}

/// A sleep would outlast the time limit.
#[test]
fn sleep() {
    harmless("sleep", "");
}

#[test]
fn memory() {
    for how in ["memory", "list"] {
        let text = message(how, "--set limits.memory=200MiB");
        assert!(text.contains("MemoryError") && text.contains("\n  File \"hostile.py\", line "), "{text}");
        assert!(text.contains("limits.memory is 200 MiB, the function needs "), "{text}");
    }
}

#[test]
fn endless_loops() {
    for how in ["endless", "numpy"] {
        let text = message(how, "--set limits.time=3s");
        assert_eq!(
            text,
            "`process:hostile` ran longer than 3s, the time limit\nraise limits.time. This tile has 16 × 16 pixels"
        );
    }
}

/// The runtime itself needs more: it is told by the limit's name, and so is the time that it takes to start.
#[test]
fn limits_below_the_runtimes_own() {
    let f = folder();
    let run = f.run("--set limits.memory=32MiB --set params.how=none");
    let text = run.error(2);
    assert!(
        text.contains("`instantiation` wants ") && text.ends_with(" bytes of memory, the limit is 33554432"),
        "{text}"
    );
    let text = message("none", "--set limits.time=1ms");
    assert!(text.starts_with('`') && !text.contains("host_alloc") && text.contains(" ran longer than 1ms"), "{text}");
}

#[test]
fn recursion() {
    let text = message("recursion", "");
    assert!(text.starts_with("RecursionError: maximum recursion depth exceeded\n"), "{text}");
    assert!(text.contains(&format!("File \"hostile.py\", line {}", line_of("return recurse"))), "{text}");
    // Whatever ends it, it ends: Python's own guard of its stack, or the sandbox's.
    let text = message("deep", "");
    assert!(text.contains("ecursion") || text.contains("ran out of stack"), "{text}");
}

#[test]
fn a_flood_of_lines() {
    let said = harmless("flood", "");
    assert!(said.contains("the log is cut here: its limit is 65536 bytes"));
    assert!(said.len() < 1 << 20, "{}", said.len());
}

#[test]
fn a_module_that_is_not_there() {
    let text = message("import", "");
    assert!(text.starts_with("there is no module 'rasterio' in the sandbox"), "{text}");
    assert!(text.contains(&format!("File \"hostile.py\", line {}", line_of("import rasterio"))), "{text}");
}

#[test]
fn ends() {
    let text = message("exit", "");
    assert!(text.starts_with("the function called exit()"), "{text}");
    assert_eq!(message("_exit", ""), "`process:hostile` ended the program with exit code 3");
}

#[test]
fn messages_that_do_not_exist() {
    assert_eq!(message("message", ""), "`process:hostile` broke the ABI: a message of the unknown kind 63");
    assert_eq!(message("nothing", ""), "`process:hostile` broke the ABI: an empty message");
    let text = message("wild", "");
    assert!(text.starts_with("`process:hostile` broke the ABI: "), "{text}");
}

/// What a tile changes in Python, numpy or the package `tilefn` doesn't reach the next one.
#[test]
fn patches() {
    harmless("patch", "--workers threads:1");
}

/// The user reads the message, then the lines of the own file; from another process too.
#[test]
fn errors() {
    let line = line_of("raise ValueError");
    let expected = format!(
        "ValueError: no sensor called 'WV-9'\n  File \"hostile.py\", line {line}, in hostile\n    raise ValueError(\"no \
         sensor called 'WV-9'\")"
    );
    assert_eq!(message("raise", ""), expected);
    let text = message("forge", "");
    assert!(text.starts_with("ValueError: no\n  error: out.tif written\n  File \"hostile.py\", line "), "{text}");
    let f = folder();
    let run = f.run("--workers processes:1 --set params.how=raise");
    assert!(run.error(1).ends_with(&expected), "{}", run.stderr);
}
