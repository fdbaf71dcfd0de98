//! Arguments of `tilefn run` that mean something else than they say, and what tilefn says of them.

use crate::support::{Folder, assert_message};

/// A job in a folder of its own, and a raster in it and one beside it.
fn job() -> Folder {
    let f = Folder::new();
    f.python(
        "
        os.mkdir('jobs')
        write('jobs/a.tif', np.full((20, 30), 1, 'u1'))
        write('a.tif', np.full((20, 30), 5, 'u1'))
        write('b.tif', np.full((20, 30), 7, 'u1'))",
    );
    f.write(
        "jobs/job.toml",
        "[function]\nexpression = 'x + 1'\n[inputs.x]\npath = 'a.tif'\n[outputs.y]\npath = 'out.tif'\ndtype = 'uint8'\n",
    )
    .write(
        "jobs/list.toml",
        "[function]\nexpression = 'sum(x)'\n[inputs.x]\npaths = ['a.tif']\n[outputs.y]\npath = 'sum.tif'\ndtype = 'uint8'\n",
    );
    f
}

#[test]
fn what_is_no_job_file_is_named() {
    let f = job();
    f.write("jobs/f.wasm", "").write("g.py", "").write("lib.rs", "");
    let refused = |file: &str, expected: &str| assert_message(&f, f.tilefn(["run", file]).error(2), expected);
    refused("jobs", "jobs is a folder, not a job file; there is jobs/job.toml");
    refused(
        "jobs/f.wasm",
        "jobs/f.wasm is a function, not a job file. A job file names it as `module` under [function], with its inputs and \
         outputs; jobs/job.toml may be its job. `tilefn inspect jobs/f.wasm` shows what the function takes",
    );
    refused(
        "g.py",
        "g.py is a function, not a job file. A job file names it as `module` under [function], with its inputs and outputs; \
         `tilefn new` makes a job file to begin with. `tilefn inspect g.py` shows what the function takes",
    );
    refused(
        "lib.rs",
        "lib.rs is the source of a function, not a job file: build its module first (tilefn build), and name that in a job file",
    );
    refused(
        "a.tif",
        "a.tif is a raster, not a job file: a job file names it as `path` under [inputs.NAME]; `tilefn calc` computes an \
         expression of rasters without one",
    );
}

#[test]
fn workers_without_a_kind_or_with_another_commands() {
    let f = job();
    let error =
        |command: &str, workers: &str| f.tilefn([command, "jobs/job.toml", "--workers", workers]).error(2).to_owned();
    let text = error("run", "4");
    assert!(text.contains("who is to run the tiles? threads:4 or processes:4"), "{text}");
    let text = error("run", "threads:many");
    assert!(text.contains("\"many\" is no number of workers: threads:4, for example"), "{text}");
    assert_eq!(
        error("run", "external"),
        "workers.kind is \"external\"; tilefn run works with threads or processes, tilefn submit with external"
    );
    let text = error("submit", "threads");
    assert!(text.ends_with(", tilefn run with threads"), "{text}");
}

/// As everywhere on a command line; the job file's own stay relative to the job file.
#[test]
fn paths_of_set_belong_to_the_current_folder() {
    let f = job();
    f.tilefn(["run", "jobs/job.toml", "--set", "outputs.y.path=own.tif"]).ok();
    f.python("same('own.tif', np.full((20, 30), 2, 'u1'))");
    f.tilefn(["run", "jobs/job.toml", "--set", "inputs.x.path=a.tif"]).ok();
    f.python("same('jobs/out.tif', np.full((20, 30), 6, 'u1'))");
    // Patterns, too: neither is in the job's folder.
    f.tilefn(["run", "jobs/list.toml", "--set", "inputs.x.paths=['[ab].tif']"]).ok();
    f.python("same('jobs/sum.tif', np.full((20, 30), 12, 'u1'))");
    let run = f.tilefn(["run", "jobs/job.toml", "--overwrite", "--set", "inputs.x.path=missing.tif"]);
    assert!(run.error(2).contains(&format!("can't open {}/missing.tif", f.path().display())), "{}", run.stderr);
}

#[test]
fn folders_of_outputs_are_made_when_asked_for() {
    let f = job();
    let run = |more: &[&str]| {
        f.tilefn(["run", "jobs/job.toml", "--set", "outputs.y.path=new/deep/out.tif"].iter().chain(more))
    };
    assert_message(
        &f,
        run(&[]).error(2),
        "--set outputs.y.path=new/deep/out.tif: outputs.y.path: the folder ~/new/deep doesn't exist\n  hint: make it, or add \
         --make-folders\n1 mistake in the job",
    );
    run(&["--make-folders", "--dry-run"]).ok();
    assert!(!f.path().join("new").exists());
    run(&["--make-folders"]).ok();
    f.python("same('new/deep/out.tif', np.full((20, 30), 2, 'u1')); assert os.listdir('new/deep') == ['out.tif']");
    // What is no folder can't become one.
    let run = f.tilefn(["run", "jobs/job.toml", "--make-folders", "--set", "outputs.y.path=a.tif/out.tif"]);
    assert!(run.error(2).contains("a.tif/out.tif can't be written: "), "{}", run.stderr);
    f.tilefn(["calc", "-i", "x=a.tif", "x * 2", "-o", "calc/out.tif", "--type", "uint8", "--make-folders"]).ok();
    f.python("same('calc/out.tif', np.full((20, 30), 10, 'u1'))");
}
