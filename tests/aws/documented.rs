//! Compares messages with the tables of docs/aws.md and docs/aws-start.md: a user looks there for what the program said.

/// Asserts that a row of the tables has a message in which this one is recognised.
#[track_caller]
pub fn assert_documented(message: &str) {
    // What is said first of many tasks fits several reasons.
    let message = message.split_once("; last: ").map_or(message, |(_, last)| last);
    let patterns: Vec<_> = ["aws.md", "aws-start.md"].iter().flat_map(|page| patterns(page)).collect();
    assert!(patterns.len() > 20, "{patterns:?}");
    assert!(patterns.iter().any(|pattern| fits(pattern, message)), "not in the documentation: {message}");
}

/// The messages in the first cells of a page's tables of messages.
fn patterns(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{}/docs/{page}", crate::support::ROOT)).unwrap();
    let tables = text.split("| message | ").skip(1).map(|rest| rest.split("\n\n").next().unwrap());
    let rows = tables.flat_map(str::lines).filter_map(|line| line.strip_prefix("| `")?.split("` | ").next());
    rows.flat_map(|cell| cell.split("`, `")).map(str::to_owned).collect()
}

/// Whether the pattern's parts come in this order in the message: `…`, `N` and `M` stand for anything, also at the ends.
fn fits(pattern: &str, message: &str) -> bool {
    let words = pattern.replace(" N ", "…").replace("N ", "…").replace(" M ", "…");
    let mut rest = message;
    for part in words.split('…').map(str::trim).filter(|part| !part.is_empty()) {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn a_message_is_known_by_its_parts() {
    assert!(fits("… exit code 11 (can it …", "worker task x: exit code 11 (can it reach 1.2.3.4?)"));
    assert!(fits("tile N was lost N times …; AWS says: …", "tile 7 was lost 2 times with the worker; AWS says: x"));
    assert!(!fits("a … b", "b a"));
}
