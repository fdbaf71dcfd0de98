//! Names and tags of what is made for a job: by them `tilefn gc` knows what a killed controller left.

use aws_sdk_ecs::primitives::{DateTime, DateTimeFormat};
use indexmap::IndexMap;

/// Tag with the job's id.
pub(super) const JOB: &str = "tilefn:job";
/// Tag with who started the job.
pub(super) const OWNER: &str = "tilefn:owner";
/// Tag with the time after which nothing of the job is needed any more (RFC 3339, UTC).
pub(super) const EXPIRES: &str = "tilefn:expires";
/// Tag with the place of the job's ticket, which says whether the job lives: bucket and prefix.
pub(super) const STORE: &str = "tilefn:store";
/// Tag of an instance with the cluster that it joins.
#[cfg(feature = "ec2")]
pub(super) const CLUSTER: &str = "tilefn:cluster";
/// Prefix of all names.
pub(super) const PREFIX: &str = "tilefn-";
/// Characters of a name; AWS's own limit is 255.
const LONGEST: usize = 200;

/// A job's id as names, tags and keys show it: letters, digits, `-` and `_`.
pub(super) fn id(job: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    job.chars().take(LONGEST).map(allowed).collect()
}

/// The name of everything that is made for `job`.
pub(super) fn name(job: &str) -> String {
    format!("{PREFIX}{}", id(job))
}

/// What tasks of `job` are marked with: at most 128 letters, digits, `-`, `_` and `/`.
pub(super) fn started_by(job: &str) -> String {
    let mut name = name(job);
    name.truncate(128);
    name
}

/// What the controller of `job` is marked with when it is a task itself: not as its workers, which it stops.
pub(super) fn started_by_user(job: &str) -> String {
    let mut name = format!("{PREFIX}controller/{}", id(job));
    name.truncate(128);
    name
}

/// The tags of everything made for a job: the program's own and the user's.
pub(super) fn all(job: &str, expires: u64, store: &str, own: &IndexMap<String, String>) -> IndexMap<String, String> {
    let program = [(JOB, id(job)), (OWNER, owner()), (EXPIRES, time(expires)), (STORE, store.to_owned())];
    let program = program.into_iter().map(|(k, v)| (k.to_owned(), value(&v)));
    own.iter().map(|(k, v)| (k.clone(), v.clone())).chain(program).collect()
}

/// `text` with what AWS refuses in a tag's value replaced.
pub(super) fn value(text: &str) -> String {
    let allowed = |c: char| if c.is_alphanumeric() || " _.:/=+-@".contains(c) { c } else { '_' };
    text.chars().take(256).map(allowed).collect()
}

/// The user and machine that this program runs for.
fn owner() -> String {
    let from = |names: [&str; 2]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.is_empty());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| from(["HOSTNAME", "COMPUTERNAME"]));
    let user = from(["USER", "LOGNAME"]).unwrap_or_else(|| "unknown".to_owned());
    format!("{user}@{}", host.as_deref().map_or("unknown", str::trim))
}

/// Seconds since 1970 as a tag's value.
pub(super) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime).unwrap_or_else(|_| seconds.to_string())
}

/// Seconds since 1970 from a tag's value.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let time = DateTime::from_str(text, DateTimeFormat::DateTime).ok()?;
    u64::try_from(time.secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_aws_takes() {
        assert_eq!(name("ndvi 2024/é_1"), "tilefn-ndvi-2024--_1");
        assert_eq!(name(&"x".repeat(400)).len(), 207);
        assert_eq!(started_by(&"x".repeat(400)).len(), 128);
    }

    #[test]
    fn the_programs_tags_win_and_times_read_back() {
        let own = IndexMap::from([("project".into(), "ndvi".into()), (JOB.into(), "forged".into())]);
        let tags = all("j1", 1_767_225_600, "bucket/tilefn/", &own);
        assert_eq!(tags["project"], "ndvi");
        assert_eq!((tags[JOB].as_str(), tags[STORE].as_str()), ("j1", "bucket/tilefn/"));
        assert_eq!(tags[EXPIRES], "2026-01-01T00:00:00Z");
        assert_eq!(seconds(&tags[EXPIRES]), Some(1_767_225_600));
        assert_eq!(seconds("soon"), None);
        assert!(tags[OWNER].contains('@'));
    }
}
