//! Jobs with Python functions: the pixels and results are numpy's, whoever runs the tiles.

use crate::support::{Folder, Running, assert_message};
use crate::{function, job};

/// Every kind of worker that needs nothing else.
const WORKERS: [&str; 3] = ["threads:1", "threads:3", "processes:2"];

#[test]
fn pixels_are_numpys() {
    let f = Folder::new();
    f.python(
        "
        rng = np.random.default_rng(1)
        red, nir = rng.integers(0, 3000, (2, 130, 170)).astype('u2')
        red[:, :60] = 0
        write('red.tif', red, nodata=0)
        write('nir.tif', nir)
        ",
    );
    let io = "[inputs.red]\npath = 'red.tif'\n[inputs.nir]\npath = 'nir.tif'\n[outputs.ndvi]\npath = 'ndvi.tif'\n";
    job(&f, "ndvi.py", &format!("{io}[grid]\ntile = [64, 48]\n"));
    for workers in WORKERS {
        f.run(&format!("--overwrite --workers {workers}")).ok();
        f.python(
            "
            red, nir = read('red.tif').astype('f4'), read('nir.tif').astype('f4')
            red[red == 0] = np.nan
            same('ndvi.tif', (nir - red) / (nir + red))
            ",
        );
    }
}

#[test]
fn halo() {
    let f = Folder::new();
    f.python("write('a.tif', np.random.default_rng(2).integers(-999, 999, (2, 90, 70)).astype('i2'))");
    let io = "name = 'highest'\n[inputs.image]\npath = 'a.tif'\n[outputs.highest]\npath = 'out.tif'\n";
    job(&f, "focal.py", &format!("{io}[grid]\ntile = [32, 32]\nedge = 'nearest'\n")).run("").ok();
    f.python(
        "
        image = np.pad(read('a.tif'), ((0, 0), (2, 2), (2, 2)), mode='edge')
        windows = np.lib.stride_tricks.sliding_window_view(image, (5, 5), axis=(1, 2))
        same('out.tif', windows.max(axis=(3, 4)))
        ",
    );
}

/// A sum that 32 bits don't hold, joined in tile order: the same on any number of workers.
#[test]
fn accumulated_results() {
    let f = Folder::new();
    let expected = f.python(
        "
        image = np.random.default_rng(3).integers(50_000, 65_535, (400, 500)).astype('u2')
        write('a.tif', image)
        result = {'sum': int(image.sum(dtype='u8')) * 3, 'count': image.size}
        ",
    );
    let io =
        "name = 'totals'\n[inputs.image]\npath = 'a.tif'\n[outputs.totals]\npath = 'out.tif'\n[params]\nfactor = 3\n";
    job(&f, "focal.py", &format!("{io}[grid]\ntile = [100, 100]\n"));
    for workers in WORKERS {
        let report = f.report(&format!("--overwrite --workers {workers} --set reduced.path=totals.csv"));
        assert_eq!(report["result"], expected, "{workers}");
        let table = format!("id,value\nsum,{}\ncount,{}\n", expected["sum"], expected["count"]);
        assert_eq!(f.read("totals.csv"), table, "{workers}");
        f.python("same('out.tif', read('a.tif'))");
    }
}

/// A parameter's file reaches every worker, and the report and a resumed run know which it was.
#[test]
fn a_file_as_a_parameter() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(64, 64))");
    let io = "[inputs.image]\npath = 'a.tif'\n[outputs.looked_up]\npath = 'out.tif'\n[grid]\ntile = [32, 32]\n";
    let with = |params: &str| _ = job(&f, "looked_up.py", &format!("{io}[params]\n{params}\n"));
    with("table = { file = 'tables/table.bin' }");
    std::fs::create_dir(f.path().join("tables")).unwrap();
    let mut expected = serde_json::Value::Null;
    for (add, workers) in [(0, "threads:2"), (3, "processes:2")] {
        expected = f.python(&format!(
            "
            import hashlib
            table = (np.arange(256)[::-1] // 2 + {add}).astype('u1')
            table.tofile('tables/table.bin')
            result = hashlib.sha256(table.tobytes()).hexdigest()
            "
        ));
        let report = f.report(&format!("--overwrite --workers {workers}"));
        f.python("same('out.tif', np.fromfile('tables/table.bin', 'u1')[ramp(64, 64)])");
        assert_eq!(report["job"]["params_sha256"], serde_json::json!({ "table": expected }), "{workers}");
    }
    with("gain = 1");
    for set in ["params.table.file=tables/table.bin", "params.table={file=\"tables/table.bin\"}"] {
        let report = f.report(&format!("--overwrite --set {set}"));
        assert_eq!(report["job"]["params_sha256"]["table"], expected, "{set}");
    }

    let wanted = "expected a file as { file = \"…\" }, found \"tables/table.bin\"";
    for (params, message) in [
        ("table = 'tables/table.bin'", format!("job.toml:10:9: params.table: {wanted}")),
        (
            "table = { file = 'gone.bin' }",
            "job.toml:10:1: params.table: can't read ~/gone.bin: No such file or directory (os error 2)".to_owned(),
        ),
        ("table = { file = 'tables' }", "job.toml:10:1: params.table: ~/tables is no file".to_owned()),
        (
            "table = { file = 's3://b/k' }",
            "job.toml:10:1: params.table: s3://b/k is not a local file: a parameter's file is read from this machine"
                .to_owned(),
        ),
        (
            "table = { file = 'tables/table.bin' }\ngain = { file = 'tables/table.bin' }",
            "job.toml:11:1: params.gain: expected an integer, found the file ~/tables/table.bin".to_owned(),
        ),
    ] {
        with(params);
        let run = f.run("--overwrite");
        assert_message(&f, run.error(2), &format!("{message}\n1 mistake in the job"));
    }
    std::fs::File::create(f.path().join("tables/large.bin")).unwrap().set_len(256 << 20).unwrap();
    with("table = { file = 'tables/large.bin' }");
    let run = f.run("--overwrite --set limits.memory=256MiB");
    let large = "~/tables/large.bin has 256MiB, and the function gets it in its own memory, of which limits.memory allows 256MiB";
    assert_message(&f, run.error(2), &format!("job.toml:10:1: params.table: {large}\n1 mistake in the job"));
}

/// Files go along to every worker, are read-only, and count as part of the function.
#[test]
fn files_of_the_job() {
    let f = Folder::new();
    f.python("write('a.tif', ramp(64, 64)); np.save('coefficients.npy', np.array([0.5, 2.0]))");
    std::fs::create_dir(f.path().join("helpers")).unwrap();
    for name in ["scaled.py", "helpers/scaling.py"] {
        std::fs::copy(function(name), f.path().join(name)).unwrap();
    }
    let io = "[inputs.image]\npath = 'a.tif'\n[outputs.scaled]\npath = 'out.tif'\n[grid]\ntile = [32, 32]\n";
    let with = |include: &str| {
        f.write("job.toml", &format!("[function]\nmodule = 'scaled.py'\ninclude = {include}\n{io}"));
    };
    with("['helpers/', 'coefficients.npy']");
    let mut hashes = Vec::new();
    for (gain, workers) in [("2.0", "threads:2"), ("3.0", "processes:2")] {
        f.python(&format!("np.save('coefficients.npy', np.array([0.5, {gain}]))"));
        let report = f.report(&format!("--overwrite --workers {workers}"));
        f.python(&format!("same('out.tif', ramp(64, 64) * {gain} + 0.5)"));
        hashes.push(report["job"]["module_sha256"].clone());
    }
    assert!(hashes[0].is_string() && hashes[0] != hashes[1], "{hashes:?}");

    with("['helpers/']");
    let run = f.run("--overwrite");
    let message = run.error(2);
    assert!(message.contains("coefficients.npy") && message.contains("scaled.py"), "{message}");
    with("['../elsewhere.npy']");
    let run = f.run("--overwrite");
    assert!(run.error(2).starts_with("function.include: can't read "), "{}", run.stderr);
    with("['/etc/hostname']");
    let expected = "function.include: /etc/hostname is outside ~, the program's folder, which is all that it can see";
    assert_message(&f, f.run("--overwrite").error(2), expected);
}

/// A run that was killed goes on, and its pixels are those of one that wasn't.
#[test]
fn resumed() {
    let f = Folder::new();
    f.python("write('red.tif', ramp(600, 600).astype('f4') + 1); write('nir.tif', ramp(600, 600).astype('f4') * 3)");
    let io = "[inputs.red]\npath = 'red.tif'\n[inputs.nir]\npath = 'nir.tif'\n[outputs.ndvi]\npath = 'ndvi.tif'\n";
    job(&f, "ndvi.py", &format!("{io}[grid]\ntile = [20, 20]\n"));
    let mut running = Running::start(&f, "--workers threads:1 -v");
    running.wait_until(|| f.files().iter().any(|name| name.starts_with('.') && name.contains("ndvi")));
    running.signal("KILL");
    running.end();
    f.run("--resume").ok();
    f.python(
        "
        red, nir = read('red.tif'), read('nir.tif')
        same('ndvi.tif', (nir - red) / (nir + red))
        ",
    );
}

#[test]
fn what_a_program_is() {
    let f = Folder::new();
    let run = f.tilefn(["inspect".as_ref(), function("focal.py").as_os_str()]);
    for line in ["\nhighest\n", "input   image        int16", "halo    2", "\ntotals\n", "result"] {
        assert!(run.ok().stdout.contains(line), "no {line:?} in {}", run.stdout);
    }
}

#[test]
fn the_gallerys_functions() {
    crate::gallery::compare(true);
}
