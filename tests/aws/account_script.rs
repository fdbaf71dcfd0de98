//! The script of docs/aws-account-test.md with stand-ins for everything that it calls: its table, and that it removes its stack.

use crate::support::{Folder, ROOT, Run};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Notes its arguments. The stack is there once it has been deployed.
const AWS: &str = r#"#!/bin/sh
echo "aws $*" >> calls
case "$*" in
  --version) echo aws-cli/2.0 ;;
  "cloudformation deploy"*) touch deployed ;;
  *describe-stacks*OutputKey*) [ -e deployed ] && echo tilefn-bucket-123456789012 ;;
  *describe-stacks*) [ -e deployed ] ;;
  *delete-stack*) rm deployed ;;
  "configure get region") echo eu-west-1 ;;
esac
"#;

/// All jobs fail, with something of the account's in the message.
const TILEFN: &str = r#"#!/bin/sh
case "$*" in
  -V) echo tilefn 0.1.0 ;;
  submit*) echo "error: task arn:aws:ecs:eu-west-1:123456789012:task/c/0123456789abcdef0123456789abcdef in subnet-0a1b2c3d" >&2; exit 3 ;;
  gc*) echo nothing to remove ;;
esac
"#;

fn script(f: &Folder, only: &str) -> Run {
    for (name, text) in
        [("aws", AWS), ("tilefn", TILEFN), ("docker", "#!/bin/sh\nexit 1\n"), ("gdal_create", "#!/bin/sh\n")]
    {
        f.write(name, text);
        std::fs::set_permissions(f.path().join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new("bash");
    command.arg(format!("{ROOT}/scripts/aws-account-test.sh")).arg("name").current_dir(f.path());
    // The stand-ins write beside themselves, wherever the script's steps are.
    for name in ["aws", "tilefn"] {
        let text = f.read(name).replace("calls", &format!("'{}/calls'", f.path().display()));
        f.write(name, &text.replace("deployed", &format!("'{}/deployed'", f.path().display())));
    }
    command.env("PATH", format!("{}:/usr/bin:/bin", f.path().display())).env_remove("ONLY").env_remove("KEEP");
    if !only.is_empty() {
        command.env("ONLY", only);
    }
    Run::of(command.output().unwrap())
}

#[test]
fn steps_that_fail_are_in_the_table_and_the_stack_goes() {
    let f = Folder::new();
    let run = script(&f, "");
    let rows: Vec<_> = run.stdout.lines().filter(|l| l.starts_with("| `")).collect();
    assert_eq!(rows.len(), 9, "{run:?}");
    assert!(rows[0].starts_with("| `stack` | ok | ") && rows[0].ends_with(" | eu-west-1 |"), "{rows:?}");
    assert!(rows[1].starts_with("| `image` | FAILED (1): "), "{rows:?}");
    let expected = "| `fargate` | FAILED (3): error: task arn:aws:ecs:eu-west-1:ACCOUNT:task/c/TASK in subnet-… | ";
    assert!(rows[2].starts_with(expected), "{rows:?}");
    assert!(rows[8].starts_with("| `gc` | ok | "), "{rows:?}");
    let table = &run.stdout[run.stdout.rfind("| step |").unwrap()..];
    assert!(!table.contains("123456789012"), "{table}");
    let calls = f.read("calls");
    assert!(calls.contains("aws cloudformation delete-stack --stack-name name\n"), "{calls}");
    assert!(calls.contains("aws s3 rb --force s3://tilefn-bucket-123456789012\n"), "{calls}");
}

#[test]
fn a_stack_that_was_there_before_stays() {
    let f = Folder::new();
    f.write("deployed", "");
    let run = script(&f, "");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("there is a stack name already"), "{run:?}");
    let run = script(&f, "gc");
    assert_eq!(run.stdout.lines().filter(|l| l.starts_with("| `")).count(), 1, "{run:?}");
    assert!(!f.read("calls").contains("delete-stack") && !f.read("calls").contains(" deploy"), "{}", f.read("calls"));
}
