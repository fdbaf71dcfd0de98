//! The CRS that the job gives a file.

use super::draft::Draft;
use grid::Crs;
use raster::{crs_name, same_crs};

/// Gives a file that has no CRS the job's.
pub fn give_crs(draft: &mut Draft<'_>, key: &str, given: &Crs, path: &str, own: &mut Crs, correct: &str) {
    if own.is_none() {
        *own = given.clone();
    } else if !same_crs(own, given) {
        let key = format!("{key}.crs");
        let message = format!("{path} has a CRS of its own, {}, which is not {}", crs_name(own), crs_name(given));
        draft.wrong(key, message).hint(format!(
            "leave `crs` out: it is for files that have none; if the file's own is wrong, correct it with {correct}"
        ));
    }
}
