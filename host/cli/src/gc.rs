//! `tilefn gc`: what killed controllers left on AWS.

use super::console::Console;
use super::fatal::Fatal;
use super::place::PlaceArguments;
use super::s3::wait;
use aws::gc::{self, Leftover, Scope};
use clap::Args;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only what belongs to this job, whether it has expired or not
    #[arg(value_name = "JOB-ID")]
    id: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
    /// Remove what is listed
    #[arg(long)]
    delete: bool,
}

/// Lists what can go, and removes it when told to.
pub fn gc(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let scope = Scope { job: arguments.id.clone(), clusters: place.clusters.clone(), now };
    let (found, denied, failed) = wait(async {
        let clients = place.clients().await?;
        let (found, denied) = gc::find(&clients, &scope).await;
        let failed = if arguments.delete { gc::remove(&clients, &found).await } else { Vec::new() };
        Ok((found, denied, failed))
    })?;
    if !failed.is_empty() {
        let text = format!("not everything could be removed; try again later:\n  {}", failed.join("\n  "));
        return Err(Fatal { code: 3, text, detail: Some(json!({ "failed": failed })) });
    }
    // With nothing found, "nothing to remove" would be wrong if not everything was looked at.
    if !found.is_empty() || denied.is_empty() {
        let removed = arguments.delete;
        console.result(&text(&found, removed), "gc", || json!({ "found": found, "removed": removed }));
    }
    if denied.is_empty() {
        return Ok(());
    }
    let denied: Vec<_> = denied.iter().map(ToString::to_string).collect();
    let text = format!("there may be more, which could not be looked for:\n  {}", denied.join("\n  "));
    Err(Fatal { code: 3, text, detail: Some(json!({ "denied": denied })) })
}

fn text(found: &[Leftover], removed: bool) -> String {
    if found.is_empty() {
        return "nothing to remove".to_owned();
    }
    let lines = found.iter().map(|f| format!("{f}\n")).collect::<String>();
    match removed {
        true => format!("{lines}all removed"),
        false => format!("{lines}nothing was removed; --delete removes what is listed here"),
    }
}
