//! Rasters made and looked at by GDAL's Python and numpy: independent of the code under test.
//!
//! One interpreter for the whole test run: starting it takes longer than most tests.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

struct Interpreter {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

static INTERPRETER: Mutex<Option<Interpreter>> = Mutex::new(None);

impl Interpreter {
    fn start() -> Self {
        // Debian's own Python is the one that its GDAL belongs to.
        let python = std::env::var("TILEFN_TEST_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into());
        let mut child = Command::new(&python)
            .arg(Path::new(super::ROOT).join("tests/e2e/support/raster.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("the tests need {python} with GDAL and numpy (scripts/setup.sh test): {e}"));
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { _child: child, input, output }
    }

    /// None when the interpreter ended.
    fn ask(&mut self, request: &Value) -> Option<Value> {
        writeln!(self.input, "{request}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

/// Runs code in `folder`, with everything in raster.py at hand; returns what it leaves in `result`. An assertion that
/// fails there fails the test.
#[track_caller]
pub fn python(folder: &Path, code: &str) -> Value {
    let request = json!({ "folder": folder, "code": dedent(code) });
    let answer = {
        let mut interpreter = INTERPRETER.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = interpreter.get_or_insert_with(Interpreter::start).ask(&request);
        if answer.is_none() {
            *interpreter = None;
        }
        answer
    };
    let Some(mut answer) = answer else {
        panic!("Python ended (does it have GDAL and numpy? scripts/setup.sh test) in\n{code}");
    };
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        panic!("{error}\nin\n{code}");
    }
    answer["ok"].take()
}

/// The code without the indentation that all its lines have in the Rust source.
fn dedent(code: &str) -> String {
    let lines = || code.lines().skip_while(|l| l.trim().is_empty());
    let indent = lines().filter(|l| !l.trim().is_empty()).map(|l| l.len() - l.trim_start().len()).min().unwrap_or(0);
    lines().map(|l| l.get(indent..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
