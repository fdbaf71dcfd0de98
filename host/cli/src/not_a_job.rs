//! Files that are no job files, though `tilefn run` is given them: what to do with them.

use super::fatal::Fatal;
use std::path::Path;

/// What to say of a path that can't be a job file.
pub fn refuse(job: &str) -> Result<(), Fatal> {
    let path = Path::new(job);
    if path.is_dir() {
        let inside = path.join("job.toml");
        let hint = if inside.is_file() { format!("; there is {}", inside.display()) } else { String::new() };
        return Err(Fatal::usage(format!("{job} is a folder, not a job file{hint}")));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    if matches!(extension.as_str(), "wasm" | "py") {
        let beside = path.with_file_name("job.toml");
        let hint = if beside.is_file() {
            format!("{} may be its job", beside.display())
        } else {
            "`tilefn new` makes a job file to begin with".to_owned()
        };
        return Err(Fatal::usage(format!(
            "{job} is a function, not a job file. A job file names it as `module` under [function], with its inputs and \
             outputs; {hint}. `tilefn inspect {job}` shows what the function takes"
        )));
    }
    if matches!(extension.as_str(), "rs" | "c") {
        return Err(Fatal::usage(format!(
            "{job} is the source of a function, not a job file: build its module first (tilefn build), and name that in a \
             job file"
        )));
    }
    if matches!(extension.as_str(), "tif" | "tiff" | "img" | "kea" | "vrt" | "nc" | "jp2") {
        return Err(Fatal::usage(format!(
            "{job} is a raster, not a job file: a job file names it as `path` under [inputs.NAME]; `tilefn calc` computes an \
             expression of rasters without one"
        )));
    }
    Ok(())
}
