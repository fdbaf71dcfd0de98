//! The log on standard error: what is told while tiles run. Nothing in it reaches a terminal as it is, and a warning that
//! comes again and again is said once.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer, format};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use types::text;

/// Different warnings that are said; the rest is counted. The report has the first ones, too.
const MOST: usize = 200;

/// Begins the log, for this process and its copies.
pub fn begin(level: &str, json: bool) {
    let filter = given().ok().flatten().unwrap_or_else(|| EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    // A second Console in one process (tests) keeps the first one's log.
    let _already_set = if json {
        log.fmt_fields(JsonFields::new()).event_format(Lines::Json(format().json().with_target(false))).try_init()
    } else {
        log.event_format(Lines::Text { colored: io::stderr().is_terminal() }).try_init()
    };
}

/// The environment's default for the log's level.
const LOG: &str = "TILEFN_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What the environment says of the log, if anything.
///
/// # Errors
/// When it can't be understood.
pub fn given() -> Result<Option<EnvFilter>, String> {
    let Some(text) = std::env::var_os(LOG).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |why: String| {
        format!("{LOG} is {text:?}: {why}; expected {}, or such as tilefn::gdal=debug,info", LEVELS.join(", "))
    };
    let text = text.to_str().ok_or_else(|| wrong("it is no text".to_owned()))?;
    // tracing would take a level that is misspelt for the name of a module, and be silent.
    let is_known = |part: &str| {
        part.is_empty() || part.contains(['=', '[', ':']) || LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level))
    };
    if let Some(part) = text.split(',').map(str::trim).find(|part| !is_known(part)) {
        return Err(wrong(format!("there is no level {part:?}")));
    }
    EnvFilter::try_new(text).map(Some).map_err(|e| wrong(e.to_string()))
}

/// How many warnings were not said, in words, if any.
pub fn unsaid() -> Option<String> {
    let more = SAID.lock().unwrap_or_else(PoisonError::into_inner).more;
    (more > 0).then(|| format!("and {more} more warnings"))
}

#[derive(Default)]
struct Said {
    hasher: RandomState,
    texts: HashSet<u64>,
    more: u64,
}

static SAID: LazyLock<Mutex<Said>> = LazyLock::new(Mutex::default);

impl Said {
    /// Whether a warning is to be said: a new one, as long as they aren't too many.
    fn is_new(&mut self, text: &str) -> bool {
        let hash = self.hasher.hash_one(text);
        if self.texts.contains(&hash) {
            return false;
        }
        if self.texts.len() < MOST {
            return self.texts.insert(hash);
        }
        self.more = self.more.saturating_add(1);
        false
    }
}

/// The format of a log line.
enum Lines {
    /// For people: the level, and what is told.
    Text { colored: bool },
    /// For programs.
    Json(Format<Json>),
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Lines {
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut told = String::new();
        ctx.format_fields(Writer::new(&mut told), event)?;
        let level = *event.metadata().level();
        if level == Level::WARN && !SAID.lock().unwrap_or_else(PoisonError::into_inner).is_new(&told) {
            return Ok(());
        }
        let color = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            Level::DEBUG => 34,
            Level::TRACE => 35,
        };
        match self {
            Self::Text { colored: true } => writeln!(to, "\u{1b}[{color}m{level:>5}\u{1b}[0m {}", text::lines(&told)),
            Self::Text { colored: false } => writeln!(to, "{level:>5} {}", text::lines(&told)),
            Self::Json(json) => {
                told.clear();
                json.format_event(ctx, Writer::new(&mut told), event)?;
                to.write_str(&text::json(&told))
            }
        }
    }
}

/// Standard error, which may be closed or full: that is no reason to stop, nor to say so there.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _gone = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_said_once_and_many_are_counted() {
        let mut said = Said::default();
        assert!(said.is_new("a") && !said.is_new("a"));
        let new = (0..1000).filter(|n| said.is_new(&n.to_string())).count();
        assert_eq!((new, said.more), (MOST - 1, 1000 - (MOST as u64 - 1)));
        assert!(!said.is_new("a"), "an old one isn't counted, either");
        assert_eq!(said.more, 1000 - (MOST as u64 - 1));
    }
}
