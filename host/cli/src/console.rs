//! What the user sees: results on standard output, messages on standard error; as text or as JSON lines.
//!
//! All of it goes through here, so that nothing from others reaches a terminal as it is, and nobody to tell is no reason to stop.

use super::log;
use serde_json::{Value, json};
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};
use types::text;

/// Where and how things are said.
#[derive(Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
    /// Texts that nobody knows, such as names of temporary files, and what is said in place of each.
    names: Mutex<Vec<(String, String)>>,
    /// Why a result could not be written.
    unwritten: Mutex<Option<io::Error>>,
}

impl Console {
    /// Also sets up the log of GDAL's and the functions' messages.
    pub fn new(json: bool, quiet: bool, verbose: u8) -> Self {
        let level = match (quiet, verbose) {
            (true, _) => "error",
            // Shows the steps on AWS, since the user waits and pays for them.
            (_, 0) => "warn,tilefn_aws=info,tilefn::aws=info",
            (_, 1) => "tilefn=info,warn",
            _ => "tilefn=debug,info",
        };
        log::begin(level, json);
        Self { json, quiet, names: Mutex::default(), unwritten: Mutex::default() }
    }

    /// Whether messages are JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// A text as it is said.
    pub fn named(&self, text: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// All texts in it as they are said.
    pub fn named_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.named(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.named_in(item)),
            Value::Object(entries) => entries.values_mut().for_each(|value| self.named_in(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A command's result.
    pub fn result(&self, text: &str, event: &str, detail: impl FnOnce() -> Value) {
        if self.json {
            self.event(event, detail());
        } else if !self.quiet {
            self.print(&text::lines(&self.named(text)));
        }
    }

    /// The error that ends the program; said even when quiet.
    pub fn error(&self, text: &str, detail: Option<&Value>) {
        if self.json {
            let mut event = json!({ "message": text });
            if let (Some(event), Some(detail)) = (event.as_object_mut(), detail) {
                event.insert("detail".into(), detail.clone());
            }
            self.event("error", event);
        } else {
            tell(&format!("error: {}", self.named(text)));
        }
    }

    /// Says what was left out, and why results could not be written if so: then the program has failed.
    pub fn end(&self) -> Result<(), String> {
        if !self.quiet
            && let Some(more) = log::unsaid()
        {
            tell(&more);
        }
        match self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A reader that closes the pipe early (`| head`) is no error.
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(format!("can't write to standard output: {error}"))
            }
            _ => Ok(()),
        }
    }

    fn event(&self, event: &str, mut detail: Value) {
        if let Some(object) = detail.as_object_mut() {
            object.insert("event".into(), event.into());
        }
        self.named_in(&mut detail);
        self.print(&text::json(&detail.to_string()));
    }

    /// A text, or JSON, on standard output.
    /// A text of ours for another program, which gets it as it is.
    pub fn script(&self, text: &str) {
        self.print(text);
    }

    fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}

/// What is said on the way, which only jobs do.
#[cfg(feature = "gdal")]
impl Console {
    /// From now on says the second text of each pair in place of the first.
    pub fn rename(&self, names: Vec<(String, String)>) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Whether a person watches: progress can be drawn over itself.
    pub fn live(&self) -> bool {
        use std::io::IsTerminal;
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// A message on the way: text for people, or an event for programs.
    pub fn say(&self, text: &str, event: &str, detail: impl FnOnce() -> Value) {
        if self.json {
            self.event(event, detail());
        } else if !self.quiet {
            tell(&self.named(text));
        }
    }

    /// A warning.
    pub fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"), "warning", || json!({ "message": text }));
    }

    /// Whole lines of a table. A file or a program gets them as they are.
    pub fn table(&self, lines: &str) {
        use std::io::IsTerminal;
        let lines = lines.strip_suffix('\n').unwrap_or(lines);
        if lines.is_empty() {
            return;
        }
        if io::stdout().is_terminal() { self.print(&text::lines(lines)) } else { self.print(lines) }
    }

    /// A result that is JSON in any case.
    pub fn document(&self, json: &str) {
        self.print(&text::json(json));
    }
}

/// A text on standard error.
pub fn tell(text: &str) {
    // A closed standard error must not stop the program.
    let _gone = writeln!(io::stderr(), "{}", text::lines(text));
}
