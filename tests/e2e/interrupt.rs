//! Ctrl-C: outputs don't appear half-done, and what is done is there for `--resume`.

use crate::support::{Folder, Run};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

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
            "[inputs.image]\npath = 'a.tif'\n[outputs.slow]\npath = 'out.tif'\n[params]\nsteps = {steps}\n[grid]\ntile = [50, 50]\n"
        ),
    );
    f
}

/// A run under way.
struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    fn start(f: &Folder, arguments: &str) -> Self {
        let mut command = f.command();
        command.args(["run", "job.toml", "--overwrite"]).args(arguments.split_whitespace());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, said: String::new() }
    }

    /// Waits for a line with this text.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> &mut Self {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "no {text:?} in:\n{}", self.said);
            self.said.push_str(&line);
            if line.contains(text) {
                return self;
            }
        }
    }

    fn signal(&mut self, name: &str) -> &mut Self {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
        self
    }

    fn end(mut self) -> Run {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout: String::new(), stderr: self.said }
    }
}

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
        f.python("same('out.tif', ramp()); write('out.tif', ramp(5, 5))");
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
    while !done() {
        assert!(running.child.try_wait().unwrap().is_none(), "it ended before a checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(running.signal("KILL").child.wait().unwrap().code(), None);
    f.python("same('out.tif', ramp(5, 5))");
    let resumed = f.report("--overwrite --resume --workers threads:2");
    let tiles = |what: &str| resumed["tiles"][what].as_u64().unwrap();
    assert!(tiles("resumed") > 0 && tiles("resumed") + tiles("done") == 100, "{}", resumed["tiles"]);
    f.python("same('out.tif', ramp())");
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

/// What an earlier run left can be damaged; a run that doesn't resume doesn't need it.
#[test]
fn a_damaged_journal() {
    let f = slow();
    f.write(".out.tif.tilefn-journal", "{");
    let run = f.run("--overwrite --resume");
    assert!(run.error(2).contains(".out.tif.tilefn-journal"), "{}", run.stderr);
    f.run("--overwrite --set params.steps=1").ok();
    f.python("same('out.tif', ramp())");
    assert_eq!(f.files(), ["a.tif", "job.toml", "out.tif"]);
}
