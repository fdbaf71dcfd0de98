//! `tilefn schema`: the job file's JSON schema, for editors and other programs.

use super::console::Console;
use super::fatal::Fatal;

/// Prints the schema, always as JSON.
pub fn schema(console: &Console) -> Result<(), Fatal> {
    let text = serde_json::to_string_pretty(&job::schema()).map_err(Fatal::failed)?;
    console.document(&text);
    Ok(())
}
