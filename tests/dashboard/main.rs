//! The dashboard of the built program: what it serves while a job runs, to whom, and how the page looks in a browser.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod browser;
mod client;
mod job;
mod names;
mod picture;

use client::{get, send, status, until};
use job::{Job, TILES};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Where the tiles of the job stand once it hangs: 12 tiles in 3 rows, the second empty, the last under way for ever.
fn expected_map() -> Value {
    json!({
        "rows": 3,
        "cols": 4,
        "tiles": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        "done": [1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        "skipped": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "in_flight": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "retried": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    })
}

fn hangs(status: &Value) -> bool {
    status["tiles"]["in_flight"] == 1 && status["tiles"]["fresh"] == 0
}

#[test]
fn a_running_job_in_numbers() {
    let job = Job::start(&["run", "--workers", "threads:1"]);
    let status = until(job.address, hangs);
    assert_eq!(
        status["tiles"],
        json!({ "total": TILES, "fresh": 0, "in_flight": 1, "done": 10, "skipped": 1, "resumed": 0, "retried": 0 })
    );
    assert_eq!(status["map"], expected_map());
    assert_eq!(status["state"], "running");
    assert_eq!(status["job"]["function"], "double");
    // 10 full tiles of 16 × 16 float32 pixels; the empty one is read too, the one under way doesn't count yet.
    assert_eq!((&status["bytes_out"], &status["bytes_in"]), (&json!(10 * 16 * 16 * 4), &json!(11 * 16 * 16 * 4)));
    assert_eq!(status["warnings"], json!([format!("the function says: {}", job::WARNING)]));
    let worker = &status["workers"][0];
    assert_eq!(
        (&worker["name"], &worker["kind"], &worker["tiles"]),
        (&json!("thread 1"), &json!("thread"), &json!(11))
    );
    assert_eq!((&worker["memory"], &worker["left"], &status["workers_here"]), (&Value::Null, &Value::Null, &json!(1)));

    let metrics = get(job.address, "/metrics");
    assert!(metrics.head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{}", metrics.head);
    for line in [
        "tilefn_tiles{state=\"done\"} 10",
        "tilefn_tiles{state=\"skipped\"} 1",
        "tilefn_tiles{state=\"in_flight\"} 1",
        "tilefn_tiles_retried_total 0",
        "tilefn_output_bytes_total 10240",
        "tilefn_workers 1",
        "tilefn_state_info{state=\"running\"} 1",
        "tilefn_worker_tiles_total{worker=\"1\",kind=\"thread\",name=\"thread 1\",host=\"\"} 11",
    ] {
        assert!(metrics.body.lines().any(|l| l == line), "no {line} in\n{}", metrics.body);
    }

    job.signal("INT");
    until(job.address, |s| s["state"] == "stopping");
}

#[test]
fn lost_workers_and_their_tiles_are_seen() {
    // Two threads: one hangs, and the other does what may come after.
    let job = Job::start(&["submit", "--workers", "processes:1", "--set", "workers.threads=2"]);
    // Memory comes with the worker's heartbeat.
    let status = until(job.address, |s| hangs(s) && s["workers"][0]["memory"].is_u64());
    assert_eq!(status["map"], expected_map());
    let worker = &status["workers"][0];
    assert_eq!((&worker["id"], &worker["kind"], &worker["tiles"]), (&json!(1), &json!("process"), &json!(11)));
    // A worker process is named after its host and process id.
    let (_, pid) = worker["name"].as_str().unwrap().rsplit_once('-').unwrap();
    job::signal(pid.parse().unwrap(), "KILL");

    let status = until(job.address, |s| hangs(s) && s["workers"][0]["id"] == 2);
    assert_eq!(status["tiles"]["retried"], 1);
    assert_eq!(status["map"]["retried"], json!([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!((&status["workers_here"], &status["workers"][1]["id"]), (&json!(1), &json!(1)));
    assert!(status["workers"][1]["left"].is_string(), "{status}");
    let metrics = get(job.address, "/metrics").body;
    assert!(metrics.contains("tilefn_tiles_retried_total 1\n") && !metrics.contains("worker=\"1\""), "{metrics}");
}

#[test]
fn only_good_requests_get_an_answer() {
    let job = Job::start(&["run", "--workers", "threads:1"]);
    let page = get(job.address, "/?x=1");
    assert!(page.head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{}", page.head);
    for header in
        ["Content-Security-Policy: default-src 'none'; script-src 'self';", "X-Content-Type-Options: nosniff\r\n"]
    {
        assert!(page.head.contains(header), "{}", page.head);
    }
    // Nothing is inline and nothing comes from elsewhere, so the policy can forbid both.
    assert!(!page.body.contains("://") && !page.body.contains("style=") && page.body.matches("<script").count() == 1);
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    for (request, wanted) in [
        ("GET / HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", "421 Misdirected Request"),
        ("GET /status.json HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421 Misdirected Request"),
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("\x16\x03\x01\0\0\r\n\r\n", "400 Bad Request"),
        ("GET /../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404 Not Found"),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
        (large.as_str(), "431 Request Header Fields Too Large"),
    ] {
        let answer = send(job.address, request.as_bytes());
        assert!(answer.head.starts_with(&format!("HTTP/1.1 {wanted}\r\n")), "{request:.60}: {}", answer.head);
        assert!(answer.head.contains("Content-Security-Policy: "), "{}", answer.head);
    }
}

#[test]
fn idle_clients_push_each_other_out() {
    let job = Job::start(&["run", "--workers", "threads:1"]);
    let mut idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(job.address).unwrap()).collect();
    for stream in idle.iter_mut().step_by(2) {
        // Those that were closed already may say so.
        let _closed = stream.write_all(b"GET /status.json HT");
    }
    assert_eq!(status(job.address)["tiles"]["total"], TILES);
    // The first has been closed to make room; an end or a reset, depending on who was faster.
    assert!(idle[0].read(&mut [0]).map_or(true, |n| n == 0));
}

#[test]
fn a_wrong_or_taken_address_ends_the_run_before_it_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, why) in [
        ("here", "it is neither a port nor an address with a port, like 127.0.0.1:8080"),
        (&taken, "Address already in use (os error 98)"),
    ] {
        let (code, stderr, files) = job::refused(&["run", "--dashboard", address]);
        assert_eq!((code, stderr.trim_end()), (Some(2), format!("error: --dashboard {address}: {why}").as_str()));
        assert_eq!(files, ["function.wasm", "in.asc", "job.toml"]);
    }
}
