//! The file of an accumulating function's result: whether there will be one, and whether it may be written.

use super::draft::Draft;
use super::places::Places;
use std::path::Path;

/// The section, in messages.
const SECTION: &str = "reduced";
const PATH: &str = "reduced.path";
/// The formats, by a file's extension.
const FORMATS: [&str; 2] = ["csv", "parquet"];

/// Checks the job's `[reduced]`.
pub fn check(draft: &mut Draft<'_>, places: &mut Places) {
    let Some(file) = &draft.loaded.spec.reduced else { return };
    let path = &file.path;
    if !draft.description.reduce {
        let message = format!("the function {} doesn't accumulate: it has no result", draft.description.name);
        draft.wrong(SECTION, message).hint("leave [reduced] out, or return a `Reduced` from the function");
        return;
    }
    if path.kind().is_elsewhere() {
        draft.wrong(PATH, format!("{path} is not a local file: the result's table is written on this machine"));
        return;
    }
    let target = Path::new(path.as_str());
    let extension = target.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !extension.is_some_and(|extension| FORMATS.contains(&extension.as_str())) {
        draft.wrong(PATH, format!("{path} is no table: its name ends in .csv or .parquet"));
        return;
    }
    let folder = target.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        draft.wrong(PATH, format!("the folder {} doesn't exist", folder.display()));
        return;
    }
    let refused = places.writes(draft, PATH, path, "the file of the result");
    // An earlier run that this one goes on with may have written it.
    let made = !draft.planning.made.is_empty();
    if !refused && !draft.planning.overwrite && !made && target.exists() {
        let hint = "add --overwrite to replace it once the job is complete";
        draft.wrong(PATH, format!("{path} exists")).hint(hint);
    }
}
