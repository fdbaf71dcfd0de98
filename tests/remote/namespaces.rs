//! Workers on a network that fails them: cables pulled, addresses that change, packets lost, links of telephone speed.

use crate::labour::{self, FILES, assert_done, worker_command};
use crate::network::{AT_CONTROLLER, CONTROLLER, Network, address};
use crate::running::{Running, assert_tidy};
use crate::support::Folder;
use std::time::Duration;

/// Enough for a tile to take some tenths of a second.
const SLOW: u64 = 300_000_000;

/// The job's folder, its controller, and a worker in each of the other namespaces.
fn start(network: &Network, steps: u64, more: &str) -> (Folder, Running, [Running; 2]) {
    let settings =
        format!("kind = 'external'\nticket = 'ticket'\nlisten = '{CONTROLLER}:0'\nmax_attempts = 100\n{more}");
    let f = labour::folder(steps, &settings);
    let mut submit = f.command();
    submit.args(["submit", "job.toml", "--report", "report.json", "-v"]);
    let mut controller = Running::start(&f, "controller", network.inside(AT_CONTROLLER, &submit));
    controller.until("there is a ticket", |_| f.path().join("ticket").exists());
    let workers = [1, 2].map(|n| {
        let command = network.inside(n, &worker_command(&f, "--threads 1"));
        Running::start(&f, &format!("worker{n}"), command)
    });
    // They have begun.
    controller.says("%");
    controller.until("both are here", |c| count(c, " joined: ") == 2);
    (f, controller, workers)
}

fn count(running: &Running, text: &str) -> usize {
    running.stderr().matches(text).count()
}

/// Does something that makes a worker unheard, waits until it is missed, makes it good, and waits until one is back.
fn lose_one(controller: &mut Running, break_it: impl FnOnce(), mend_it: impl FnOnce()) {
    let lost = count(controller, " is lost: ");
    break_it();
    controller.until("a worker is missed", |c| count(c, " is lost: ") > lost);
    let joined = count(controller, " joined: ");
    mend_it();
    controller.until("it is back", |c| count(c, " joined: ") > joined);
}

fn finish(f: &Folder, controller: Running, workers: [Running; 2]) -> serde_json::Value {
    let report = assert_done(f, &controller.wait());
    for worker in workers {
        worker.wait().ok();
    }
    assert_tidy(f, &FILES);
    report
}

#[test]
fn a_job_survives_its_network() {
    let Some(network) = Network::new() else { return };
    // Silence is noticed after a bit more than half a second.
    let (f, mut controller, workers) = start(&network, SLOW, "heartbeat = '250ms'");
    lose_one(&mut controller, || network.pull(1), || network.plug(1));
    lose_one(
        &mut controller,
        || network.ip(2, &format!("address delete {}/24 dev cable", address(2))),
        // As after another lease from DHCP.
        || network.ip(2, "address add 10.77.0.99/24 dev cable"),
    );
    // Heard by nobody, but hearing: the worker must not believe that all is well.
    let deaf = format!("OUTPUT --destination {CONTROLLER} -j DROP");
    if network.try_in(1, &format!("iptables -A {deaf}")) {
        lose_one(&mut controller, || {}, || assert!(network.try_in(1, &format!("iptables -D {deaf}"))));
    } else {
        eprintln!("SKIPPED: packets that only one side loses, since iptables doesn't work here");
    }
    // The whole network, for both.
    lose_one(
        &mut controller,
        || network.ip(AT_CONTROLLER, "link set switch down"),
        || network.ip(AT_CONTROLLER, "link set switch up"),
    );
    let report = finish(&f, controller, workers);
    assert!(report["workers"].as_array().unwrap().len() >= 5, "{report:#}");
    let missed = report["workers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|w| w["left"].as_str().unwrap().starts_with("nothing was heard from the other side for 625ms"));
    assert!(missed.count() >= 3, "{report:#}");
}

#[test]
fn a_moment_without_network_costs_nothing() {
    let Some(network) = Network::new() else { return };
    // Five seconds of silence are allowed.
    let (f, mut controller, workers) = start(&network, SLOW / 10, "heartbeat = '2s'");
    for _ in 0..2 {
        network.pull(1);
        network.pull(2);
        std::thread::sleep(Duration::from_millis(500));
        assert!(!controller.ended());
        network.plug(1);
        network.plug(2);
        std::thread::sleep(Duration::from_millis(500));
    }
    let report = finish(&f, controller, workers);
    assert_eq!(report["workers"].as_array().unwrap().len(), 2, "a connection was lost: {report:#}");
}

#[test]
fn narrow_and_lossy_links_only_take_longer() {
    let Some(network) = Network::new() else { return };
    let narrow = |n, device: &str| {
        network.try_in(n, &format!("tc qdisc add dev {device} root tbf rate 4mbit burst 16kb latency 200ms"))
    };
    if !(narrow(1, "cable") && narrow(AT_CONTROLLER, "port1")) {
        eprintln!("SKIPPED: a narrow link, since this kernel has no tbf");
    }
    let loss = "INPUT -m statistic --mode random --probability 0.05 -j DROP";
    if !network.try_in(2, &format!("iptables -A {loss}")) {
        eprintln!("SKIPPED: random loss, since this kernel or iptables has no module `statistic`");
    }
    let (f, controller, workers) = start(&network, SLOW / 10, "heartbeat = '2s'");
    finish(&f, controller, workers);
}
