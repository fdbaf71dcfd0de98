//! Failures, on their way to Python's exceptions.

use cli::api::{Fatal, Stopped};
use pyo3::PyErr;
use pyo3::exceptions::PyRuntimeError;
use serde_json::{Value, json};

/// An error as JSON, of which the Python part makes one of its own exceptions.
pub fn fatal(fatal: &Fatal) -> PyErr {
    raised(fatal, None)
}

/// A job that has not run to its end.
pub fn stopped(stopped: Stopped) -> PyErr {
    raised(&stopped.fatal, stopped.report)
}

/// The arguments are wrong.
pub fn usage(text: impl ToString) -> PyErr {
    fatal(&Fatal::usage(text))
}

/// The function failed.
pub fn failed(text: impl ToString) -> PyErr {
    fatal(&Fatal::failed(text))
}

fn raised(fatal: &Fatal, report: Option<Value>) -> PyErr {
    let Fatal { code, text, detail } = fatal;
    PyRuntimeError::new_err(json!({ "code": code, "text": text, "detail": detail, "report": report }).to_string())
}
