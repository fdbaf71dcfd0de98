//! Jobs under attack: whatever happens to workers and connections, the pixels are right and nothing is left behind.
//!
//! `TILEFN_CHAOS_SEEDS=200` runs more seeds, `TILEFN_CHAOS_SEED=17` this one alone.

use crate::labour::{self, FILES, assert_done};
use crate::proxy::{How, Proxy, free_port};
use crate::running::{Running, assert_tidy, signal, workers};
use crate::support::Folder;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Disturbances in one run; then it is left in peace, so that it ends.
const BLOWS: usize = 14;
/// Longer than the jobs here allow.
const SILENCE: Duration = Duration::from_millis(1500);
/// Seeds of a usual run.
const SEEDS: u64 = 12;

/// SplitMix64: a few lines, the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(usize::try_from(self.below(from.len().max(1) as u64)).unwrap()).copied()
    }
}

#[test]
fn pixels_are_right_whatever_happens() {
    let seeds: Vec<u64> = match std::env::var("TILEFN_CHAOS_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..std::env::var("TILEFN_CHAOS_SEEDS").map_or(SEEDS, |n| n.parse().unwrap())).collect(),
    };
    for seed in seeds {
        println!("seed {seed}");
        run(seed);
    }
}

/// Who starts the workers, and replaces those that end.
enum Crew {
    /// The controller.
    Processes,
    /// This test; their connections pass a proxy.
    External { proxy: Proxy, workers: Vec<Running>, started: usize },
}

impl Crew {
    /// Starts workers until there are three that run.
    fn keep(&mut self, f: &Folder) {
        let Self::External { workers, started, .. } = self else { return };
        workers.retain_mut(|worker| !worker.ended());
        while workers.len() < 3 {
            *started += 1;
            workers.push(labour::worker(f, &format!("worker{started}"), "--threads 1"));
        }
    }

    /// Does something to one of the connections, if it can.
    fn disturb(&self, link: usize, how: How) -> bool {
        matches!(self, Self::External { proxy, .. } if proxy.disturb(link, how))
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let (mut crew, more) = if seed.is_multiple_of(2) {
        let controller_at = free_port();
        let proxy = Proxy::to(controller_at);
        let more = format!(
            "kind = 'external'\nticket = 'ticket'\nlisten = '{controller_at}'\nadvertise = '{}'",
            proxy.address
        );
        (Crew::External { proxy, workers: Vec::new(), started: 0 }, more)
    } else {
        (Crew::Processes, "kind = 'processes'\ncount = 3".to_owned())
    };
    let reads = random.pick(&["controller", "worker"]).unwrap();
    // Silence is noticed after a bit more than half a second. Tiles are lost on purpose here, more often than by chance.
    let f = labour::folder(8_000_000, &format!("reads = '{reads}'\nheartbeat = '250ms'\nmax_attempts = 100\n{more}"));
    let mut controller = labour::submit(&f, "");
    if matches!(crew, Crew::External { .. }) {
        controller.until("there is a ticket", |_| f.path().join("ticket").exists());
        crew.keep(&f);
    }
    // Workers that have not begun can't lose anything.
    controller.says("%");
    let mut stopped = Vec::new();
    let mut blows = Vec::new();
    while !controller.ended() && blows.len() < BLOWS {
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        crew.keep(&f);
        let Some(pid) = random.pick(&workers(f.path())) else { continue };
        let link = usize::try_from(random.below(16)).unwrap();
        let (name, struck) = match random.below(8) {
            0 | 1 => ("KILL", signal(pid, "KILL")),
            2 => ("TERM", signal(pid, "TERM")),
            3 => {
                stopped.push(std::thread::spawn(move || {
                    std::thread::sleep(SILENCE);
                    signal(pid, "CONT");
                }));
                ("STOP", signal(pid, "STOP"))
            }
            4 => ("hold", crew.disturb(link, How::Hold(SILENCE))),
            5 | 6 => ("corrupt", crew.disturb(link, How::Corrupt)),
            _ => ("cut", crew.disturb(link, How::Cut)),
        };
        if struck {
            blows.push(name);
        }
    }
    // In peace from now on.
    while !controller.ended() {
        crew.keep(&f);
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = controller.wait();
    println!("  reads = {reads}: {blows:?}");
    stopped.into_iter().for_each(|thread| thread.join().unwrap());
    if let Crew::External { workers, .. } = crew {
        // Each is told, or misses its controller, or finds no ticket.
        workers.into_iter().for_each(|worker| drop(worker.wait()));
    }
    let report = assert_done(&f, &run);
    println!("  {} tiles lost, {} workers", report["tiles"]["retried"], report["workers"].as_array().unwrap().len());
    assert_tidy(&f, &FILES);
}

/// A file system of its own, gone at the end.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(&self, options: &str) -> bool {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0).output();
        mount.is_ok_and(|m| m.status.success())
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_ends_the_job_and_resume_goes_on() {
    let f: Folder = labour::folder(0, "");
    let out = f.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let disk = SmallDisk(&out);
    if !disk.mount("size=1m") {
        eprintln!("SKIPPED: a full disk, since only root can mount a small one");
        return;
    }
    let run = |arguments: &str| {
        let mut command = f.command();
        command.args(
            "run job.toml --workers processes:2 --report report.json --set outputs.added.path=out/added.tif".split(' '),
        );
        // Nothing that shrinks: two outputs of 512 × 512 take 1.5 MiB.
        command.args(["--set", "outputs.added.options=[\"COMPRESS=NONE\"]"]).args(arguments.split_whitespace());
        Running::start(&f, "controller", command).wait()
    };
    std::fs::write(out.join("ballast"), vec![0; 600 << 10]).unwrap();
    let full = run("");
    let message = full.error(1);
    assert!(message.starts_with("output \"added\": "), "{message}");
    assert!(!out.join("added.tif").exists());
    std::fs::remove_file(out.join("ballast")).unwrap();
    assert!(disk.mount("remount,size=64m"));
    let rest = run("--resume").ok().stderr.clone();
    f.python(
        "
        a = np.pad(read('a.tif')[0].astype('u4'), 1, mode='edge')
        same('out/added.tif', a[1:-1, 1:-1] + a[:-2, :-2])
        ",
    );
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["added.tif"], "{rest}");
}
