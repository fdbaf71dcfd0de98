//! Workers in processes of their own: same result as threads, errors reach the user, workers come and go.

use crate::labour::{self, FILES, assert_done, submit, worker};
use crate::running::{Running, assert_tidy, signal, workers};
use crate::support::{Folder, Run};
use std::collections::HashSet;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

/// Enough for a tile to take tens of milliseconds.
const SOME: u64 = 10_000_000;
/// Enough for a tile to take many seconds.
const ENDLESS: u64 = 1 << 40;
/// Processor time from which on a worker can only be at a tile, hundredths of a second: its module was compiled before.
const COUNTING: u64 = 300;

#[test]
fn any_number_of_workers_gives_the_same_as_threads() {
    let f = labour::folder(0, "");
    for set in [
        "--workers threads:2",
        "--workers processes:1",
        "--workers processes:3",
        "--workers processes:2 --set workers.threads=2",
        "--workers processes:1 --set workers.reads=worker",
        "--workers processes:3 --set workers.reads=worker --set workers.threads=3",
    ] {
        let mut command = f.command();
        command.args(["run", "job.toml", "--overwrite", "--report", "report.json"]).args(set.split_whitespace());
        let run = Running::start(&f, "controller", command).wait();
        assert_done(&f, &run);
        assert_tidy(&f, &FILES);
    }
}

#[test]
fn tiles_of_any_size_give_the_same_as_threads() {
    let f = Folder::new();
    f.python("write('a.tif', (np.arange(3000 * 3000, dtype='u8') * 7919 % 60000).astype('u2').reshape(3000, 3000))");
    f.job("copy", "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\n");
    for tile in [128, 1024, 3008] {
        for reads in ["controller", "worker"] {
            let set = format!("--workers processes:2 --set workers.reads={reads} --set grid.tile=[{tile},{tile}]");
            f.report(&format!("--overwrite {set}"));
            f.python("same('copy.tif', read('a.tif'))");
        }
    }
}

#[test]
fn tiles_without_data_are_skipped_by_whoever_reads() {
    let f = Folder::new();
    f.python("a = ramp(256, 256); a[:128] = 255; write('a.tif', a, nodata=255)");
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 'copy.tif'\nnodata = 255\n[grid]\ntile = [64, 64]\n",
    );
    for reads in ["controller", "worker"] {
        let report = f.report(&format!("--overwrite --workers processes:2 --set workers.reads={reads}"));
        assert_eq!((&report["tiles"]["done"], &report["tiles"]["skipped"]), (&8.into(), &8.into()), "reads = {reads}");
        f.python("same('copy.tif', read('a.tif'), nodata=255)");
    }
}

#[test]
fn the_functions_own_error_names_tile_and_worker_and_is_not_retried() {
    let f = labour::folder(0, "");
    let mut command = f.command();
    command.args("run job.toml --workers processes:2 --set params.at=21 --set workers.threads=2".split(' '));
    let run = Running::start(&f, "controller", command).wait();
    let message = run.error(1);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let (place, what) = message.split_once(": ").unwrap();
    let (tile, worker) = place.split_once(" on worker ").unwrap();
    assert_eq!(tile, "tile 21 (row 2, column 5)");
    let (number, process) = worker.split_once(&format!(" ({host}-")).unwrap();
    assert!(["1", "2"].contains(&number), "{worker}");
    let (pid, rest) = process.split_once(' ').unwrap();
    assert_eq!(rest, format!("on {host}, process {pid})"));
    assert!(what.contains("gain must be positive"), "{what}");
    assert!(what.contains("\n  at labour (") && what.contains("labour.rs:"), "no backtrace in: {what}");
    assert_eq!(run.stderr.matches("gain must be positive").count(), 1, "said once:\n{}", run.stderr);
    assert_tidy(&f, &["a.tif", "job.toml"]);
}

#[test]
fn external_workers_come_when_they_like_and_leave_when_told() {
    let f = labour::folder(SOME, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'");
    let mut controller = submit(&f, "");
    controller.says("tilefn worker --ticket");
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let mut first = worker(&f, "first", "--threads 1 -v");
    controller.says("%");
    let second = worker(&f, "second", "--threads 2");
    // Told to leave, it finishes the tile it is at and hands back the others.
    signal(first.pid(), "TERM");
    first.says("told to leave");
    first.wait().ok();
    let run = controller.wait();
    let report = assert_done(&f, &run);
    second.wait().ok();
    assert_eq!(report["tiles"]["retried"], 0, "{report:#}");
    assert_eq!(report["workers"].as_array().unwrap().len(), 2);
    for worker in report["workers"].as_array().unwrap() {
        assert_eq!((worker["kind"].as_str(), worker["left"].as_str()), (Some("external"), Some("finished")));
    }
    assert_tidy(&f, &FILES);
}

/// All that a killed worker takes with it is the tile that each of its threads is at.
#[test]
fn a_killed_worker_costs_a_tile_for_each_of_its_threads() {
    for threads in [1, 2] {
        let f = labour::folder(SOME, "");
        let mut command = f.command();
        command.args(["run", "job.toml", "--report", "report.json", "--workers", "processes:4"]);
        command.args(["--set", &format!("workers.threads={threads}")]);
        let mut controller = Running::start(&f, "controller", command);
        controller.says("%");
        signal(workers(f.path())[0], "KILL");
        let run = controller.wait();
        let report = assert_done(&f, &run);
        assert!(report["tiles"]["retried"].as_u64().unwrap() <= threads, "{report:#}");
        assert_tidy(&f, &FILES);
    }
}

#[test]
fn a_ticket_on_standard_input_is_checked() {
    let f = Folder::new();
    let run = f.tilefn(["worker", "--ticket", "-"]);
    assert_eq!(run.error(10), "ticket from standard input: not a ticket (line 1, column 0)");
}

#[test]
fn a_worker_told_to_leave_twice_ends_at_once() {
    let f = labour::folder(ENDLESS, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'\nmax_attempts = 1");
    let mut controller = submit(&f, "--set limits.time=1h");
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let mut lazy = worker(&f, "lazy", "--threads 1 -v");
    lazy.until("it counts", |lazy| processor_ticks(lazy.pid()) > COUNTING);
    signal(lazy.pid(), "TERM");
    lazy.says("told to leave");
    signal(lazy.pid(), "TERM");
    let run = lazy.wait_for(Duration::from_secs(10));
    assert_eq!(run.code, 130);
    let run = controller.wait();
    let message = run.error(3);
    assert!(message.contains(" was lost 1 times with the worker that ran it; the last time on worker 1"), "{message}");
}

#[test]
fn interrupted_it_stops_long_tiles_and_leaves_nothing() {
    let f = labour::folder(ENDLESS, "");
    let controller = two_at_work(&f);
    signal(controller.pid(), "INT");
    let run = controller.wait_for(Duration::from_secs(30));
    assert_eq!(run.error(130), "interrupted; nothing was written under the outputs' names");
    assert_tidy(&f, &["a.tif", "job.toml"]);
}

#[test]
fn a_tile_that_kills_its_workers_is_named() {
    let f = labour::folder(ENDLESS, "max_attempts = 2");
    let mut command = f.command();
    command.args("run job.toml --workers processes:1 --set limits.time=1h --set grid.tile=[512,512]".split(' '));
    let mut controller = Running::start(&f, "controller", command);
    for _ in 0..2 {
        controller
            .until("a worker counts", |_| workers(f.path()).into_iter().any(|pid| processor_ticks(pid) > COUNTING));
        let pid = workers(f.path())[0];
        signal(pid, "KILL");
        controller.until("it is gone", |_| !workers(f.path()).contains(&pid));
    }
    let run = controller.wait();
    let message = run.error(3);
    assert!(
        message.starts_with("tile 0 was lost 2 times with the worker that ran it; the last time on worker 2 ("),
        "{message}"
    );
    assert!(message.ends_with("Look at that tile's inputs, or raise workers.max_attempts"), "{message}");
    assert_tidy(&f, &["a.tif", "job.toml"]);
}

#[test]
fn workers_end_when_their_controller_is_killed() {
    let f = labour::folder(ENDLESS, "");
    let controller = two_at_work(&f);
    signal(controller.pid(), "KILL");
    let Run { code, .. } = controller.wait();
    assert_eq!(code, -1);
    // They look for their controller for half a minute.
    let mut waiting = Running::start(&f, "waiting", idle());
    waiting.until("no worker is left", |_| workers(f.path()).is_empty());
    // Killed, it could remove nothing: there must be nothing to remove.
    let temporary: Vec<_> = std::fs::read_dir(f.path().join(".tmp")).unwrap().collect();
    assert!(temporary.is_empty(), "{temporary:?}");
}

/// The worker can't be heard, but lives: nobody can reach it any more, so it has to go.
#[test]
fn a_worker_out_of_touch_is_ended_and_replaced() {
    let f = labour::folder(ENDLESS, "heartbeat = '250ms'");
    let mut controller = two_at_work(&f);
    let lost = workers(f.path())[0];
    signal(lost, "STOP");
    controller.says("a worker process is out of touch; starting another");
    controller.until("there are two again", |c| c.stderr().matches(" joined: ").count() == 3);
    let now = workers(f.path());
    assert!(now.len() == 2 && !now.contains(&lost), "{lost} in {now:?}");
    signal(controller.pid(), "INT");
    assert_eq!(controller.wait_for(Duration::from_secs(30)).code, 130);
    assert_tidy(&f, &["a.tif", "job.toml"]);
}

/// A job whose module never says what its functions are, so that planning waits for it, for some seconds: its controller.
fn planning(f: &Folder) -> Running {
    let module = include_str!("../guests/never-described.wat");
    std::fs::write(f.path().join("module.wasm"), wat::parse_str(module).unwrap()).unwrap();
    let mut command = f.command();
    command.args("run job.toml --workers processes:2 --module module.wasm".split(' '));
    let mut controller = Running::start(f, "controller", command);
    controller.until("the workers are there before the plan", |_| workers(f.path()).len() == 2);
    controller
}

#[test]
fn workers_that_are_there_before_a_plan_that_fails_are_gone_after_it() {
    let f = labour::folder(0, "");
    let run = planning(&f).wait();
    let message = run.error(2);
    assert!(message.starts_with("function.module: ") && message.contains("describe:silent"), "{message}");
    assert_eq!(run.stderr, format!("error: {message}\n"), "the workers say nothing");
    assert_tidy(&f, &["a.tif", "job.toml", "module.wasm"]);
}

#[test]
fn workers_that_wait_for_a_plan_end_when_their_controller_is_killed() {
    let f = labour::folder(0, "");
    let controller = planning(&f);
    signal(controller.pid(), "KILL");
    assert_eq!(controller.wait().code, -1);
    let mut waiting = Running::start(&f, "waiting", idle());
    waiting.until("no worker is left", |_| workers(f.path()).is_empty());
}

#[test]
fn a_dry_run_starts_no_worker() {
    let f = labour::folder(0, "");
    let pipe = f.path().join("module.wasm");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = f.command();
    command.args("run job.toml --dry-run --workers processes:2 --module module.wasm".split(' '));
    let controller = Running::start(&f, "controller", command);
    // Opening the pipe waits until the controller reads, which is after workers would have been started.
    let mut writing = std::fs::File::create(&pipe).unwrap();
    assert_eq!(children(controller.pid()), [0_u32; 0]);
    writing.write_all(b"no module").unwrap();
    drop(writing);
    assert_eq!(controller.wait().code, 2);
}

#[test]
fn worker_processes_need_no_network() {
    let f = labour::folder(ENDLESS, "");
    let controller = two_at_work(&f);
    for pid in workers(f.path()).into_iter().chain([controller.pid()]) {
        assert_eq!(tcp_sockets(pid), 0, "process {pid}");
    }
    signal(controller.pid(), "INT");
    controller.wait_for(Duration::from_secs(30));
    // Where there is one, it would be seen.
    let f = labour::folder(0, "kind = 'external'\nticket = 'ticket'\nlisten = '127.0.0.1:0'");
    let mut controller = submit(&f, "");
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    assert_eq!(tcp_sockets(controller.pid()), 1);
}

/// As long as it had another's, the end of that one's connection would not show.
#[test]
fn each_process_has_its_own_connection_only() {
    let f = labour::folder(ENDLESS, "");
    let controller = at_work(&f, 3, &["--dashboard", "0"]);
    let mut seen = HashSet::new();
    let pids = workers(f.path());
    assert_eq!(pids.len(), 3);
    for pid in pids.into_iter().chain([controller.pid()]) {
        let own = sockets(pid);
        assert!(!own.is_empty() && own.is_disjoint(&seen), "process {pid} has {own:?}, the others {seen:?}");
        seen.extend(own);
    }
}

#[test]
fn a_worker_that_dies_is_replaced() {
    let f = labour::folder(ENDLESS, "");
    let mut controller = two_at_work(&f);
    let first = workers(f.path());
    signal(first[0], "KILL");
    controller.says("a worker process ended with signal: 9 (SIGKILL); starting another");
    controller.until("there are two again", |c| c.stderr().matches(" joined: ").count() == 3);
    let mut now = workers(f.path());
    now.retain(|pid| *pid != first[1]);
    assert!(matches!(now[..], [new] if new != first[0]), "{first:?} {now:?}");
    assert_eq!(children(controller.pid()).len(), 2, "no ended one is left unnoticed");
}

#[test]
fn a_connection_that_is_none_is_refused() {
    let f = Folder::new();
    let run = f.tilefn(["worker", "--connected"]);
    let message = run.error(2);
    assert!(
        message.starts_with("--connected: standard input is no connection with a controller, which gives it: "),
        "{message}"
    );
}

/// A controller of two workers, both connected.
fn two_at_work(f: &Folder) -> Running {
    at_work(f, 2, &[])
}

/// A controller of so many workers, all connected, with more arguments.
fn at_work(f: &Folder, count: usize, more: &[&str]) -> Running {
    let mut command = f.command();
    command.args("run job.toml --set limits.time=1h -v --workers".split(' '));
    command.arg(format!("processes:{count}")).args(more);
    let mut controller = Running::start(f, "controller", command);
    controller.until("all workers are connected", |c| c.stderr().matches(" joined: ").count() == count);
    controller
}

/// A process that only waits.
fn idle() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

/// The number of the process that started this one; none once this one is gone.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may have anything in it, and the state.
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// The processes that this one has started, ended ones that it has not noticed included.
fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_string_lossy().parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// The sockets that a process has, as the system names them.
fn sockets(pid: u32) -> HashSet<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = files.filter_map(|f| Some(std::fs::read_link(f.ok()?.path()).ok()?.to_str()?.to_owned()));
    targets.filter(|target| target.starts_with("socket:")).collect()
}

/// How many TCP sockets a process has, listening or connected.
fn tcp_sockets(pid: u32) -> usize {
    let tables = ["tcp", "tcp6"].map(|t| std::fs::read_to_string(format!("/proc/net/{t}")).unwrap_or_default());
    // Column 9 is the socket.
    let tcp: Vec<_> = tables.iter().flat_map(|t| t.lines()).filter_map(|l| l.split_whitespace().nth(9)).collect();
    let is_tcp =
        |t: &&String| t.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']')).is_some_and(|t| tcp.contains(&t));
    sockets(pid).iter().filter(is_tcp).count()
}

/// Processor time of a process, hundredths of a second.
fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}
