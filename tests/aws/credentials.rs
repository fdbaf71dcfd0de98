//! Where credentials come from when the SDK finds none, and the way through a proxy.

use crate::labour;
use crate::program::{ENDLESS, aws, in_s3, object, out, tilefn};
use crate::running::Running;
use crate::sim::{ACCESS_KEY, SECRET_KEY, Sim};
use crate::support::{Folder, Run};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const GC: &str = "gc --bucket bucket";

/// The program without credentials in its environment, with a profile for single sign-on, and this script as `aws`.
fn with_command_line(sim: &Sim, f: &Folder, script: &str, arguments: &str) -> Command {
    f.write(
        "config",
        "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1\n\
                       sso_start_url = https://example.org/start\n",
    );
    std::fs::create_dir_all(f.path().join("bin")).unwrap();
    f.write(
        "bin/aws",
        &format!("#!/bin/sh\n[ \"$*\" = 'configure export-credentials --format process' ] || exit 9\n{script}\n"),
    );
    std::fs::set_permissions(f.path().join("bin/aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = tilefn(sim, f, arguments);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_CONFIG_FILE", f.path().join("config"));
    command.env("PATH", format!("{}:/usr/bin:/bin", f.path().join("bin").display()));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sdk_does_not_know_the_command_line_exports() {
    let sim = aws().await;
    let f = Folder::new();
    let json = format!(r#"echo '{{"Version": 1, "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{SECRET_KEY}"}}'"#);
    // S3 checks the signature.
    let run = Run::of(with_command_line(&sim, &f, &json, GC).output().unwrap());
    assert_eq!(run.ok().stdout, "nothing to remove\n");

    let run = Run::of(
        with_command_line(&sim, &f, "echo 'Token has expired and refresh failed' >&2; exit 255", GC).output().unwrap(),
    );
    let message = run.error(3);
    assert!(message.contains("says: Token has expired and refresh failed"), "{message}");
    assert!(message.contains("renew the credentials"), "{message}");

    let mut command = with_command_line(&sim, &f, "", GC);
    std::fs::remove_file(f.path().join("bin/aws")).unwrap();
    let run = Run::of(command.output().unwrap());
    assert!(run.error(3).contains("sso"), "the SDK's own words: {run:?}");
}

/// GDAL 3.6 knows no single sign-on. S3 checks the signatures of what it reads and writes.
#[tokio::test(flavor = "multi_thread")]
async fn gdal_gets_them_too_and_they_are_renewed() {
    let sim = aws().await;
    let f = labour::folder(ENDLESS, "");
    let set = in_s3(&sim, &f);
    // They expire at once.
    let json = format!(
        r#"echo asked >> '{}'; echo '{{"Version": 1, "AccessKeyId": "{ACCESS_KEY}", "SecretAccessKey": "{SECRET_KEY}",
           "Expiration": "2026-01-01T00:00:00+00:00"}}'"#,
        f.path().join("asked").display()
    );
    let mut command = with_command_line(&sim, &f, &json, &format!("run job.toml -v --set params.steps=0 {set}"));
    let run = Run::of(command.output().unwrap());
    run.ok();
    std::fs::copy(object(&sim, &format!("{}/tile.tif", out(&f))), f.path().join("tile.tif")).unwrap();
    f.python("r, c = np.mgrid[:512, :512]; same('tile.tif', (r // 64 * 8 + c // 64).astype('u2'))");

    std::fs::remove_file(f.path().join("asked")).unwrap();
    let command = with_command_line(&sim, &f, &json, &format!("run job.toml --overwrite {set}"));
    let mut controller = Running::start(&f, "controller", command);
    let asked = || std::fs::read_to_string(f.path().join("asked")).unwrap_or_default().lines().count();
    controller.until("they are renewed", |_| asked() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_reached_through_the_proxy() {
    let sim = aws().await;
    let f = Folder::new();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = tilefn(&sim, &f, "worker --ticket s3://bucket/ticket.json");
    command.env_remove("AWS_ENDPOINT_URL").env("HTTPS_PROXY", proxy.local_addr().unwrap().to_string());
    command.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("https_proxy").stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let asked = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(proxy.accept().unwrap().0).read_line(&mut line).unwrap();
        line
    });
    let line = tokio::time::timeout(std::time::Duration::from_secs(120), asked).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line.unwrap().unwrap().trim(), "CONNECT bucket.s3.eu-west-1.amazonaws.com:443 HTTP/1.1");
}
