//! When a run waits for the disk.

use crate::support::{Folder, Run};
use std::process::Command;

/// Notes each file that a program waits for.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fsync(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    int log = open(getenv("FSYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (len > 0) {
        path[len] = '\n';
        if (write(log, path, len + 1) != len + 1) abort();
    }
    close(log);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"#;

/// A short run is made again sooner than the disk has its output, whether it has a journal or, as that of `calc`, none.
#[test]
fn short_runs_do_not_wait_for_the_disk() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(64, 64))");
    f.write("shim.c", SHIM);
    let made = Command::new("clang")
        .args(["-shared", "-fPIC", "-Werror", "-o", "shim.so", "shim.c", "-ldl"])
        .current_dir(f.path())
        .output()
        .expect("clang is there (scripts/setup.sh test)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    f.job("copy_u8", "[inputs.image]\npath = 'a.tif'\n[outputs.copy_u8]\npath = 'out.tif'\n");
    let waited_for = |mut command: Command| {
        f.write("log", "");
        command.env("LD_PRELOAD", f.path().join("shim.so")).env("FSYNC_LOG", f.path().join("log"));
        Run::of(command.output().unwrap()).ok();
        f.read("log")
    };
    for arguments in ["run job.toml", "calc -i a=a.tif a*2 -o calc.tif"] {
        let mut command = f.command();
        command.args(arguments.split_whitespace());
        assert_eq!(waited_for(command), "", "{arguments}");
    }
    f.python("same('out.tif', ramp(64, 64)); same('calc.tif', ramp(64, 64).astype('f4') * 2)");
    // The test sees it when a program waits.
    let mut command = Command::new("python3");
    command.args(["-c", "import os; os.fsync(os.open('a.tif', os.O_RDWR))"]).current_dir(f.path());
    assert_eq!(waited_for(command), format!("{}\n", f.path().join("a.tif").display()));
}
