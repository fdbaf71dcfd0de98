//! What GDAL says, kept for the thread that caused it: nothing of it goes to stderr.

use gdal::errors::CplErrType;
use gdal_sys::CPLErr;
use std::cell::{Cell, RefCell};
use std::mem;

/// Messages kept of one call; later ones say nothing new.
const KEPT: usize = 8;

/// GDAL's numbers for what a server answers: `CPLE_HttpResponse` to `CPLE_AWSSignatureDoesNotMatch`.
const HTTP_RESPONSE: i32 = 11;
const AWS_LAST: i32 = 17;

/// What GDAL said during one call.
#[derive(Default)]
pub(crate) struct Messages {
    failures: Vec<String>,
    warnings: Vec<String>,
}

impl Messages {
    /// The failures as one text, if there was one.
    pub(crate) fn failure(&self) -> Option<String> {
        (!self.failures.is_empty()).then(|| self.failures.join("; "))
    }

    /// The failures, else the warnings, else `otherwise`, as one text: the best there is when a call didn't succeed.
    pub(crate) fn reason(&self, otherwise: &str) -> String {
        match (self.failure(), self.warnings.is_empty()) {
            (Some(text), _) => text,
            (None, false) => self.warnings.join("; "),
            (None, true) => otherwise.to_owned(),
        }
    }

    /// Everything, failures first: for a call that succeeded all the same.
    pub(crate) fn all(mut self) -> Vec<String> {
        self.failures.append(&mut self.warnings);
        self.failures
    }

    /// As [`outcome`](Self::outcome), for a call that reads pixels: a warning that tells of damage is a failure, as GDAL has
    /// made up what it couldn't decode.
    pub(crate) fn outcome_of_read(&self, returned: CPLErr::Type) -> Result<(), String> {
        self.outcome(returned)?;
        self.warnings.iter().find(|text| tells_of_damage(text)).map_or(Ok(()), |text| Err(text.clone()))
    }

    /// Whether a call that returned this succeeded. A message of failure counts, too: a few drivers report a damaged block and go on.
    pub(crate) fn outcome(&self, returned: CPLErr::Type) -> Result<(), String> {
        if returned == CPLErr::CE_None && self.failure().is_none() {
            Ok(())
        } else {
            Err(self.reason("GDAL gives no reason"))
        }
    }
}

thread_local! {
    static MESSAGES: RefCell<Messages> = RefCell::default();
    static PASSED_ON: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call` and returns with its result what GDAL said meanwhile on this thread.
pub(crate) fn collect<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    let outer = MESSAGES.take();
    let result = call();
    let mine = MESSAGES.with_borrow_mut(|messages| mem::replace(messages, outer));
    (result, mine)
}

/// As [`collect`], for a caller that passes the warnings on: they aren't logged as well.
pub(crate) fn collect_unlogged<T>(call: impl FnOnce() -> T) -> (T, Messages) {
    let outer = PASSED_ON.replace(true);
    let result = collect(call);
    PASSED_ON.set(outer);
    result
}

/// GDAL calls this on the thread that has something to say. It must not panic.
pub(crate) fn receive(class: CplErrType, number: i32, text: &str) {
    let text = text.trim();
    let keep = |pick: fn(&mut Messages) -> &mut Vec<String>| {
        let _ = MESSAGES.try_with(|messages| {
            let Ok(mut messages) = messages.try_borrow_mut() else {
                return;
            };
            let list = pick(&mut messages);
            if list.len() < KEPT && list.last().is_none_or(|last| last != text) {
                list.push(text.to_owned());
            }
        });
    };
    match class {
        CplErrType::Failure | CplErrType::Fatal => {
            tracing::debug!(target: "tilefn::gdal", "{text}");
            keep(|messages| &mut messages.failures);
        }
        CplErrType::Warning => {
            if PASSED_ON.try_with(Cell::get).unwrap_or(false) {
                tracing::debug!(target: "tilefn::gdal", "{text}");
            } else {
                tracing::warn!(target: "tilefn::gdal", "{text}");
            }
            // A request that GDAL repeats says nothing about the file. One that fails for good is a failure.
            if !(HTTP_RESPONSE..=AWS_LAST).contains(&number) {
                keep(|messages| &mut messages.warnings);
            }
        }
        CplErrType::Debug | CplErrType::None => tracing::trace!(target: "tilefn::gdal", "{text}"),
    }
}

/// Whether a warning that GDAL gave while it read pixels tells of damage: some of the pixels aren't in the file then.
///
/// Decoders use these words. Their other warnings are harmless: unknown tags, profiles, repeated requests.
fn tells_of_damage(warning: &str) -> bool {
    const WORDS: [&str; 13] = [
        "corrupt",
        "premature",
        "truncated",
        "damaged",
        "discarding",
        "lack of data",
        "not enough",
        "unexpected",
        "mismatch",
        "improper",
        "inconsistent",
        "too short",
        "too long",
    ];
    let text = warning.to_lowercase();
    // The directory of a TIFF file, its metadata, may be read again when pixels are.
    let directory = ["tifffetch", "tiffreaddirectory", "geotiff tags", " tag "].iter().any(|word| text.contains(word));
    !directory && WORDS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_and_other_warnings() {
        // As libtiff, libjpeg and OpenJPEG put it.
        for text in [
            "JPEGLib:Corrupt JPEG data: 1328 extraneous bytes before marker 0xd9",
            "JPEGLib:Premature end of JPEG file",
            "PackBitsDecode:Discarding 116 bytes to avoid buffer overrun",
            "PackBitsDecode:Terminating PackBitsDecode due to lack of data.",
            "Fax4Decode:Premature EOL at line 132 of tile 1 (got 0, expected 256)",
            "Fax3Decode1D:Line length mismatch at line 3 of strip 0 (got 8, expected 16)",
            "read: segment too long (925) with max (21351) for codeblock 4 (p=0, b=1, r=3, c=0)",
            "Unexpected value in grid row 299 (expected floating point value, found \"k4\").",
        ] {
            assert!(tells_of_damage(text), "{text}");
        }
        for text in [
            "HTTP error code: 503 - https://example.org/a.tif. Retrying again in 1.0 secs",
            "a.tif: TIFFFetchNormalTag:ASCII value for tag \"GDALMetadata\" contains null byte in value; value incorrectly truncated",
            "a.tif: GeoTIFF tags apparently corrupt, they are being ignored.",
            "libpng: iCCP: known incorrect sRGB profile",
            "LZWDecode:Old-style LZW codes, convert file",
        ] {
            assert!(!tells_of_damage(text), "{text}");
        }
    }
}
