//! A status in Prometheus's text format. `docs/dashboard.md` lists the metrics.

use super::status::Status;
use std::fmt::{Display, Write};

/// The metrics of `status`.
pub fn text(status: &Status) -> String {
    let mut page = Page::default();
    let job = &status.job;
    page.family("tilefn_job_info", "gauge", "What is run; the value is 1.");
    page.sample(
        &[
            ("version", status.tilefn),
            ("job", &job.path),
            ("function", &job.function),
            ("module_sha256", &job.module_sha256),
        ],
        1,
    );
    page.family("tilefn_state_info", "gauge", "What the job is at; the value is 1.");
    page.sample(&[("state", status.state)], 1);
    page.single("tilefn_seconds", "gauge", "Time since the program began to plan.", Some(status.seconds));
    page.single("tilefn_seconds_left", "gauge", "Time until the last tile at the present pace.", status.seconds_left);
    page.single("tilefn_tiles_per_second", "gauge", "The present pace.", status.tiles_per_second);
    let tiles = &status.tiles;
    page.family("tilefn_tiles", "gauge", "Tiles by state.");
    for (state, n) in [
        ("fresh", tiles.fresh),
        ("in_flight", tiles.in_flight),
        ("done", tiles.done),
        ("skipped", tiles.skipped),
        ("resumed", tiles.resumed),
    ] {
        page.sample(&[("state", state)], n);
    }
    page.single(
        "tilefn_tiles_retried_total",
        "counter",
        "Tiles handed out again because they were lost.",
        Some(tiles.retried),
    );
    let stages = &status.stages;
    page.family("tilefn_stage_seconds_total", "counter", "Time by stage, summed over threads.");
    for (stage, seconds) in [
        ("prepare", stages.prepare),
        ("read", stages.read),
        ("run", stages.run),
        ("write", stages.write),
        ("finish", stages.finish),
        ("wait", stages.wait),
    ] {
        page.sample(&[("stage", stage)], seconds);
    }
    page.single("tilefn_input_bytes_total", "counter", "Input pixels handed to the function.", Some(status.bytes_in));
    page.single("tilefn_output_bytes_total", "counter", "Output pixels the function returned.", Some(status.bytes_out));
    page.single("tilefn_memory_bytes", "gauge", "Resident memory of the controller.", Some(status.memory));
    page.single(
        "tilefn_peak_memory_bytes",
        "gauge",
        "Highest resident memory of the controller.",
        Some(status.peak_memory),
    );
    page.single("tilefn_warnings", "gauge", "Different warnings so far.", Some(status.warnings.len()));
    page.single("tilefn_workers", "gauge", "Workers that are here.", Some(status.workers_here));
    let here: Vec<_> = status.workers.iter().filter(|w| w.left.is_none()).collect();
    page.family("tilefn_worker_tiles_total", "counter", "Tiles that a worker has done.");
    for w in &here {
        page.sample(&[("worker", &w.id.to_string()), ("kind", w.kind), ("name", &w.name), ("host", &w.host)], w.tiles);
    }
    page.family("tilefn_worker_memory_bytes", "gauge", "Resident memory of a worker's process.");
    for w in &here {
        if let Some(memory) = w.memory {
            page.sample(&[("worker", &w.id.to_string())], memory);
        }
    }
    page.family("tilefn_worker_function_peak_memory_bytes", "gauge", "Highest memory of one call of the function.");
    for w in &here {
        page.sample(&[("worker", &w.id.to_string())], w.function_peak_memory);
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ok = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn single(&mut self, name: &'static str, kind: &str, help: &str, value: Option<impl Display>) {
        self.family(name, kind, help);
        if let Some(value) = value {
            self.sample(&[], value);
        }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let open = if n == 0 { '{' } else { ',' };
            let _ok = write!(self.text, "{open}{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ok = writeln!(self.text, "{close} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_labels_stay_labels() {
        let mut page = Page { name: "m", ..Page::default() };
        page.sample(&[("a", "x\"} 1\nevil 2\\"), ("b", "")], 3);
        assert_eq!(page.text, "m{a=\"x\\\"} 1\\nevil 2\\\\\",b=\"\"} 3\n");
    }
}
