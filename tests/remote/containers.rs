//! The worker's container images: external workers that are nobody, have a read-only file system, and are their own PID 1.
//!
//! scripts/containers.sh builds the images and runs these tests.

use crate::labour::{self, FILES, assert_done, submit};
use crate::running::{Running, assert_tidy};
use crate::support::Folder;
use std::process::Command;
use std::time::Instant;

/// The user that the images name.
const NOBODY: u32 = 65532;
/// Enough for a tile to take tens of milliseconds.
const SOME: u64 = 10_000_000;

/// The images under test.
pub fn images() -> Vec<String> {
    let images: Vec<_> =
        ["TILEFN_IMAGE", "TILEFN_IMAGE_GDAL"].into_iter().filter_map(|name| std::env::var(name).ok()).collect();
    if images.is_empty() {
        eprintln!("SKIPPED: containers: there are no images; scripts/containers.sh builds them and runs these tests");
    }
    images
}

pub fn podman(arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    command.args(arguments);
    command
}

/// What podman prints; it must succeed.
#[track_caller]
pub fn asked(arguments: &[&str]) -> String {
    let output = podman(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podman {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A worker in a container, gone at the end of the test.
struct Container {
    name: String,
    running: Option<Running>,
}

impl Container {
    fn start(f: &Folder, name: &str, image: &str) -> Self {
        // The ticket is for its owner only, as it holds a secret.
        let ticket = f.path().join("ticket");
        std::os::unix::fs::chown(&ticket, Some(NOBODY), Some(NOBODY)).unwrap();
        let name = format!("tilefn-test-{}-{name}", std::process::id());
        let volume = format!("{}:/ticket:ro", ticket.display());
        let mut command = podman(&["run", "--rm", "--read-only", "--network=host", "--cap-drop=all", "--name", &name]);
        command.args(["--volume", &volume, image, "worker", "--threads", "1", "--ticket", "/ticket", "-v"]);
        let running = Some(Running::start(f, &name, command));
        Self { name, running }
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// Asserts that it ends well by itself, and said nothing to worry about.
    #[track_caller]
    fn ends_well(&mut self) {
        let run = self.running.take().unwrap().wait();
        run.ok();
        assert!(!run.stderr.contains("WARN"), "{}", run.stderr);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _gone = podman(&["rm", "--force", "--time", "0", &self.name]).output();
    }
}

/// Whether the container's process is the worker, and has got as far as to catch SIGTERM.
fn catches_signals(container: &str) -> bool {
    let pid = podman(&["inspect", "--format", "{{.State.Pid}}", container]).output().unwrap().stdout;
    let status = format!("/proc/{}/status", String::from_utf8_lossy(&pid).trim());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let line = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default().trim().to_owned();
    let caught = u64::from_str_radix(&line("SigCgt:"), 16).unwrap_or(0);
    line("Name:") == "tilefn" && caught >> 14 & 1 == 1
}

fn external(steps: u64) -> Folder {
    labour::folder(steps, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'")
}

fn ticketed(f: &Folder, arguments: &str) -> Running {
    let mut controller = submit(f, arguments);
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    controller
}

#[test]
fn workers_in_containers_leave_when_told_and_give_the_same_as_threads() {
    for image in images() {
        let f = external(SOME);
        let mut controller = ticketed(&f, "");
        let mut first = Container::start(&f, "first", &image);
        controller.says("%");
        let processes = asked(&["top", &first.name, "pid", "state", "user", "args"]);
        let processes: Vec<Vec<_>> = processes.lines().skip(1).map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(processes.len(), 1, "{processes:?}");
        assert_eq!(processes[0][0], "1");
        assert!(["R", "S"].contains(&processes[0][1]) && processes[0][2] != "root", "{processes:?}");
        let mut second = Container::start(&f, "second", &image);
        asked(&["stop", "--time", "60", &first.name]);
        assert!(first.running().stderr().contains("told to leave"), "{}", first.running().stderr());
        first.ends_well();
        let report = assert_done(&f, &controller.wait());
        second.ends_well();
        assert_eq!(report["tiles"]["retried"], 0, "{report:#}");
        assert_tidy(&f, &FILES);
    }
}

#[test]
fn a_container_is_told_to_stop_before_it_has_a_controller() {
    for image in images() {
        let f = external(0);
        // Nobody listens there; it would go on trying.
        let controller = ticketed(&f, "");
        let ticket = std::fs::read(f.path().join("ticket")).unwrap();
        drop(controller);
        std::fs::write(f.path().join("ticket"), ticket).unwrap();
        let mut container = Container::start(&f, "lost", &image);
        let name = container.name.clone();
        container.running().until("it catches signals", |_| catches_signals(&name));
        let stopped = Instant::now();
        asked(&["stop", "--time", "60", &container.name]);
        eprintln!("{image}: stopped in {:.2} s", stopped.elapsed().as_secs_f64());
        assert_eq!(container.running.take().unwrap().wait().code, 0);
    }
}

#[test]
fn from_start_to_first_tile() {
    for image in images() {
        let f = external(0);
        let arguments = "--set grid.tile=[512,512]";
        for _ in 0..3 {
            let controller = ticketed(&f, &format!("{arguments} --overwrite"));
            let started = Instant::now();
            let mut only = Container::start(&f, "only", &image);
            controller.wait().ok();
            eprintln!(
                "{image}: start to the end of the first tile, compiling included: {:.2} s",
                started.elapsed().as_secs_f64()
            );
            only.ends_well();
        }
    }
}

#[test]
fn python_functions_run_in_the_image_that_has_their_runtime() {
    let Ok(image) = std::env::var("TILEFN_IMAGE_PYTHON") else {
        return eprintln!("SKIPPED: Python functions in containers: there is no image with their runtime");
    };
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(300 * 200) % 251).astype('u1').reshape(300, 200))");
    f.write(
        "double.py",
        "from tilefn import tile_function\n\n@tile_function\ndef double(image: 'uint8') -> 'uint16':\n    return image.astype('uint16') * 2\n",
    );
    f.write(
        "job.toml",
        "[function]\nmodule = 'double.py'\n[inputs.image]\npath = 'a.tif'\n[outputs.double]\npath = 'out.tif'\n\
         [grid]\ntile = [64, 64]\n[workers]\nkind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\n",
    );
    let controller = ticketed(&f, "");
    let mut worker = Container::start(&f, "python", &image);
    // It first: without it the controller would wait for ever.
    worker.ends_well();
    controller.wait().ok();
    f.python("same('out.tif', read('a.tif').astype('u2') * 2)");
}
