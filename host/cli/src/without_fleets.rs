//! What a program that was built without AWS support has in the place of `fleets.rs`.

use super::console::Console;
use super::launcher::Launcher;
use controller::Report;
use job::spec::Workers;
use serde_json::Value;

/// None.
pub const LAUNCHERS: &[Launcher] = &[];

/// None.
pub fn estimate(_: &Workers) -> Option<(String, Value)> {
    None
}

/// None.
pub fn quotas(_: &Workers) -> (Vec<String>, Value) {
    (Vec::new(), Value::Null)
}

/// None.
pub fn job_id(_: &Workers, _: &str) -> Option<String> {
    None
}

/// Does nothing.
pub fn keep(_: &Workers, _: &str, _: &Report, _: &Console) {}
