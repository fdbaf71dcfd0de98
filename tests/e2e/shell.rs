//! Completions, as a real shell finds them, and the manual.

use crate::support::Folder;
use std::process::Command;

#[test]
fn bash_completes_commands_and_options() {
    let f = Folder::new();
    f.write("tilefn.bash", &f.tilefn(["completions", "bash"]).ok().stdout);
    let complete = |line: &str| {
        let script = format!(
            "source tilefn.bash; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tilefn tilefn \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(f.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("tilefn zo"), "zonal");
    assert_eq!(complete("tilefn run --overw"), "--overwrite");
}

#[test]
fn every_command_has_a_page() {
    let f = Folder::new();
    f.tilefn(["man", "pages/man1"]).ok();
    assert!(f.read("pages/man1/tilefn.1").contains("tilefn\\-zonal(1)"));
    let page = f.read("pages/man1/tilefn-run.1");
    assert!(page.contains("tilefn run job.toml \\-\\-dry\\-run"), "its examples: {page}");
    assert!(page.contains(".TH tilefn-run 1") && page.contains("\\-\\-overwrite"), "{page}");
    assert!(f.tilefn(["man", "pages/man1/tilefn.1"]).error(1).starts_with("can't write to pages/man1/tilefn.1: "));
}
