//! `tilefn run --each`: one job for many scenes, one after the other.

use super::console::Console;
use super::fatal::Fatal;
use super::prepare::RunArguments;
use super::run;
use job::Scene;
use serde_json::json;

/// Files named in the last message.
const NAMED: usize = 10;

/// Runs the job for each file that the pattern matches. A job that fails stops no other; an interrupt does.
pub fn run_each(arguments: &RunArguments, pattern: &str, console: &Console) -> Result<(), Fatal> {
    if arguments.job.job == "-" {
        return Err(Fatal::usage("--each reads the job file once for each scene: it can't be standard input"));
    }
    let report = arguments.report.as_deref().and_then(|path| path.to_str());
    if report.is_some_and(|path| !path.contains("{stem}")) {
        return Err(Fatal::usage("--report: with --each there is a report for each scene: put {stem} into its name"));
    }
    let files = job::scenes(pattern).map_err(|e| Fatal::usage(format!("--each: {e}")))?;
    let mut failed: Vec<(String, u8)> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let scene = Scene::new(file)
            .ok_or_else(|| Fatal::usage(format!("--each: {}: its name is not UTF-8", file.display())))?;
        let path = scene.path().to_owned();
        let (number, all) = (number + 1, files.len());
        console.say(
            &format!("{number} of {all}: {path}"),
            "scene",
            || json!({ "path": path, "number": number, "all": all }),
        );
        let mut arguments = arguments.clone();
        arguments.report = report.map(|report| scene.put_into(report).into());
        arguments.job.scene = Some(scene);
        match run::run_here(&arguments, console) {
            Ok(()) => {}
            Err(fatal) if fatal.code == 130 => return Err(fatal),
            Err(fatal) => {
                console.error(&fatal.text, fatal.detail.as_ref());
                failed.push((path, fatal.code));
            }
        }
    }
    let Some((_, code)) = failed.first() else { return Ok(()) };
    // One code if all have it: 2 says that nothing was begun.
    let code = if failed.iter().all(|(_, other)| other == code) { *code } else { 1 };
    let mut named: Vec<_> = failed.iter().take(NAMED).map(|(path, _)| path.as_str()).collect();
    let more = failed.len().saturating_sub(NAMED);
    let more = format!("and {more} more");
    if failed.len() > NAMED {
        named.push(&more);
    }
    let text = format!("{} of {} jobs failed: {}", failed.len(), files.len(), named.join(", "));
    Err(Fatal {
        code,
        text,
        detail: Some(json!({ "failed": failed.iter().map(|(path, _)| path).collect::<Vec<_>>() })),
    })
}
