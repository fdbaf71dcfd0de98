//! Commands, arguments and options: docs/cli.md against `--help`, and every command in every page.

use super::page::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Arguments and options of a command: `JOB`, `-o, --output FILE`, ….
type Names = BTreeSet<String>;

fn help(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"))
        .args(command.split_whitespace())
        .arg("--help")
        .env("COLUMNS", "200")
        .output()
        .unwrap();
    assert!(output.status.success(), "tilefn {command} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The entries of a section of a help text, without what is said about them.
fn entries(help: &str, section: &str) -> Names {
    let lines = help.lines().skip_while(|l| *l != section).skip(1).take_while(|l| l.is_empty() || l.starts_with(' '));
    // An entry begins within the first few columns; deeper lines continue its description.
    let entry = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        (indent > 0 && indent <= 6).then(|| line.trim().split("  ").next().unwrap_or_default().to_owned())
    };
    lines.filter_map(entry).filter(|e| !e.is_empty()).map(|e| e.replace(['<', '>', '[', ']'], "")).collect()
}

fn names(help: &str) -> Names {
    let mut names = entries(help, "Arguments:");
    names.extend(entries(help, "Options:"));
    names
}

/// Every command with its own names, and those that all commands share.
fn program() -> (BTreeMap<String, Names>, Names) {
    let top = help("");
    let mut shared = names(&top);
    let mut commands = BTreeMap::new();
    let mut left: Vec<String> = entries(&top, "Commands:").into_iter().collect();
    while let Some(command) = left.pop() {
        if command.ends_with("help") {
            continue;
        }
        let text = help(&command);
        let inner = entries(&text, "Commands:");
        if inner.is_empty() {
            commands.insert(command, &names(&text) - &shared);
        } else {
            left.extend(inner.into_iter().map(|inner| format!("{command} {inner}")));
        }
    }
    assert!(commands.len() >= 8, "{commands:?}");
    shared.retain(|name| !name.contains("--help") && !name.contains("--version"));
    (commands, shared)
}

/// What the page marks as there only with a feature that this program is built without.
fn is_left_out(text: &str) -> bool {
    !cfg!(feature = "aws") && text.contains("(feature `aws`)")
}

/// Commands and options that this program is built without.
fn left_out() -> BTreeSet<String> {
    let page = Page::read("docs/cli.md");
    let names = page.text.lines().filter(|l| is_left_out(l)).filter_map(|line| {
        let option = || line.strip_prefix("| `").filter(|row| row.starts_with("--"));
        line.strip_prefix("## `tilefn ").or_else(option)
    });
    names.map(|name| name.split([' ', '`']).next().unwrap().to_owned()).collect()
}

/// First column of the rows in the sections of docs/cli.md: by command, and "" for what all share.
fn documented() -> BTreeMap<String, Names> {
    let page = Page::read("docs/cli.md");
    let mut sections: BTreeMap<String, Names> = BTreeMap::new();
    let mut section = None;
    for line in page.text.lines() {
        if is_left_out(line) {
            if line.starts_with("## ") {
                section = None;
            }
        } else if let Some(heading) = line.strip_prefix("## ") {
            section = match heading.strip_prefix("`tilefn ") {
                Some(command) => Some(command.split('`').next().unwrap().to_owned()),
                None => (heading == "Options of every command").then(String::new),
            };
            if let Some(section) = &section {
                sections.entry(section.clone()).or_default();
            }
        } else if let (Some(section), Some(row)) = (&section, line.strip_prefix("| `")) {
            let name = row.split_once("` |").unwrap().0.replace('`', "");
            assert!(sections.get_mut(section).unwrap().insert(name), "{line}");
        }
    }
    sections
}

#[test]
fn the_page_is_what_help_says() {
    let (mut commands, shared) = program();
    commands.insert(String::new(), shared);
    assert_eq!(documented(), commands);
}

/// Commands that are called in texts: how many, and those that don't exist or don't have the options that they are given.
struct Calls {
    commands: BTreeMap<String, Names>,
    shared: Names,
    left_out: BTreeSet<String>,
    seen: usize,
    wrong: Vec<String>,
}

impl Calls {
    fn new() -> Self {
        let (commands, shared) = program();
        Self { commands, shared, left_out: left_out(), seen: 0, wrong: Vec::new() }
    }

    /// Looks at a line of a shell's.
    fn line(&mut self, place: &str, line: &str) {
        for call in line.split(" #").next().unwrap_or_default().split(['|', ';', '&']) {
            let mut words = call.split_whitespace().skip_while(|w| w.contains('=') || *w == "sudo");
            if words.next() != Some("tilefn") {
                continue;
            }
            self.seen += 1;
            let mut command = words.next().unwrap_or_default().to_owned();
            if self.commands.keys().any(|c| c.starts_with(&format!("{command} "))) {
                command = format!("{command} {}", words.next().unwrap_or_default());
            }
            let Some(own) = self.commands.get(&command) else {
                if !command.starts_with('-') && !self.left_out.contains(&command) {
                    self.wrong.push(format!("{place}: no command {command:?}: {call}"));
                }
                continue;
            };
            for word in words.filter(|w| w.starts_with("--")) {
                let flag = word.split('=').next().unwrap_or_default();
                let known = own.iter().chain(&self.shared).flat_map(|n| n.split([' ', ',']));
                if flag != "--help" && !self.left_out.contains(flag) && !known.into_iter().any(|n| n == flag) {
                    self.wrong.push(format!("{place}: tilefn {command} has no {flag}"));
                }
            }
        }
    }

    #[track_caller]
    fn check(&self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.seen >= 10, "{}", self.seen);
    }
}

/// In all pages: each command exists and has the options that it is given.
#[test]
fn commands_in_all_pages_exist() {
    let mut calls = Calls::new();
    for page in Page::all() {
        for block in page.blocks().into_iter().filter(|b| b.language == "sh") {
            let text = block.text.replace("\\\n", " ");
            text.lines().for_each(|line| calls.line(&block.place, line));
        }
    }
    calls.check();
}

/// Each command's help ends with examples of it, which are as good as those of the pages.
#[test]
fn every_help_has_examples() {
    let mut calls = Calls::new();
    for command in program().0.keys() {
        let help = help(command);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("tilefn {command} has none"));
        for line in examples.lines() {
            assert!(line.starts_with(&format!("  tilefn {command}")), "tilefn {command}: {line}");
            calls.line(&format!("tilefn {command} --help"), line);
        }
    }
    calls.check();
}
