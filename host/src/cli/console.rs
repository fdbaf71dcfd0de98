//! What the user sees: results on standard output, messages on standard error; as text or as JSON lines.

use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Where and how things are said.
#[derive(Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
}

impl Console {
    /// Also sets up the log of GDAL's and the functions' messages.
    pub fn new(json: bool, quiet: bool, verbose: u8) -> Self {
        let level = match (quiet, verbose) {
            (true, _) => "error",
            // What the user waits for on AWS, and pays for.
            (_, 0) => "warn,tilefn::aws=info",
            (_, 1) => "tilefn=info,warn",
            _ => "tilefn=debug,info",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("TILEFN_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
        // A second Console in one process (tests) keeps the first one's log.
        let _already_set = if json {
            log.json().try_init()
        } else {
            log.without_time().with_ansi(std::io::stderr().is_terminal()).try_init()
        };
        Self { json, quiet }
    }

    /// Whether messages are JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A command's result.
    pub fn result(&self, text: &str, event: &str, detail: impl FnOnce() -> Value) {
        if self.json {
            print_line(&with_event(event, detail()).to_string());
        } else if !self.quiet {
            print_line(text);
        }
    }

    /// The error that ends the program; said even when quiet.
    pub fn error(&self, text: &str, detail: Option<&Value>) {
        if self.json {
            let mut event = json!({ "message": text });
            if let (Some(event), Some(detail)) = (event.as_object_mut(), detail) {
                event.insert("detail".into(), detail.clone());
            }
            print_line(&with_event("error", event).to_string());
        } else {
            let _gone = writeln!(std::io::stderr(), "error: {text}");
        }
    }
}

/// What is said on the way, which only jobs do.
#[cfg(feature = "gdal")]
impl Console {
    /// Whether a person watches: progress can be drawn over itself.
    pub fn live(&self) -> bool {
        !self.json && !self.quiet && std::io::stderr().is_terminal()
    }

    /// A message on the way: text for people, or an event for programs.
    pub fn say(&self, text: &str, event: &str, detail: impl FnOnce() -> Value) {
        if self.json {
            print_line(&with_event(event, detail()).to_string());
        } else if !self.quiet {
            // Nobody to tell is no reason to stop.
            let _gone = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// A warning.
    pub fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"), "warning", || json!({ "message": text }));
    }
}

fn with_event(event: &str, mut detail: Value) -> Value {
    if let Some(object) = detail.as_object_mut() {
        object.insert("event".into(), event.into());
    }
    detail
}

/// A line on standard output; a closed pipe (`| head`) is not our error.
fn print_line(text: &str) {
    let _gone = writeln!(std::io::stdout(), "{text}");
}
