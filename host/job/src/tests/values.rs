//! What a right job file is read into.

use std::fs;

use indexmap::IndexMap;

use super::{FULL, LEAST, load, toml};
use crate::spec::*;
use crate::{Loaded, Mistakes, Nodata, Size, Spec, Time};
use types::{DType, Edge, Footprint, Value, WorkerKind};

fn load_file(path: &str, overrides: &[String]) -> Result<Loaded, Mistakes> {
    crate::load(path, overrides, None)
}

#[test]
fn defaults() {
    let text =
        format!("{LEAST}[inputs.a]\npath = 'a.tif'\n[inputs.v]\nvector = 'v.gpkg'\n[outputs.b]\npath = 'b.tif'\n");
    let loaded = toml(&text).unwrap();
    let spec = &loaded.spec;
    assert_eq!(
        spec.function,
        Function {
            code: Code::Module("/jobs/m.wasm".into()),
            cast: None,
            name: None,
            include: Vec::new(),
            sha256: None
        }
    );
    assert!(spec.params.is_empty());
    let Input::Raster(a) = &spec.inputs["a"] else { panic!() };
    assert_eq!(a.files, RasterFiles::One("/jobs/a.tif".into()));
    assert_eq!((&a.bands, &a.nodata, a.resampling), (&None, &None, None));
    let Input::Vector(v) = &spec.inputs["v"] else { panic!() };
    assert_eq!((v.vector.as_str(), v.burn(), v.dtype), ("/jobs/v.gpkg", Burn::Value(1.0), DType::UInt8));
    assert_eq!((v.nodata, v.all_touched, &v.layer, &v.filter), (Nodata(0.0), false, &None, &None));
    let b = &spec.outputs["b"];
    assert_eq!(b.files.as_slice(), ["/jobs/b.tif"]);
    assert!(!b.statistics && !b.histogram && !b.overviews && !b.thematic);
    assert_eq!(spec.grid, Grid::default());
    assert_eq!(
        (spec.grid.footprint, spec.grid.edge, spec.grid.skip_empty),
        (Footprint::Intersection, Edge::Nodata, true)
    );
    assert_eq!(spec.limits, TileLimits { memory: Size(1 << 30), time: Time::seconds(60), fuel: 0 });
    let w = &spec.workers;
    assert_eq!((w.kind, w.count, w.threads, w.reads), (WorkerKind::Threads, None, None, Reads::Controller));
    assert_eq!(
        (w.max_attempts, w.min_count, w.start_timeout, w.heartbeat),
        (4, 1, Time::seconds(300), Time::seconds(2))
    );
    assert_eq!(loaded.base, std::path::Path::new("/jobs"));
    assert_eq!(loaded.text(), text);
}

#[test]
fn every_key() {
    let spec = toml(FULL).unwrap().spec;
    assert_eq!(spec.function.name.as_deref(), Some("ndvi"));
    let params: Vec<_> = spec.params.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(params[..3], [("scale", &Value::Float(2.5)), ("count", &Value::Int(3)), ("strict", &Value::Bool(true))]);
    assert_eq!(params[3], ("title", &Value::Text("Größe".into())));
    let Value::List(weights) = params[4].1 else { panic!() };
    assert_eq!(weights[..2], [Value::Float(0.5), Value::Int(1)]);
    assert!(weights[2].as_f64().unwrap().is_nan());

    assert_eq!(spec.inputs.keys().collect::<Vec<_>>(), ["red", "dates", "fields", "soils"]);
    let Input::Raster(red) = &spec.inputs["red"] else { panic!() };
    assert_eq!(red.bands, Some(vec![3, 1]));
    assert_eq!(red.nodata, Some(InputNodata::PerBand(vec![Nodata(0.0), Nodata(f64::NAN)])));
    assert_eq!(red.resampling, Some(types::Resampling::Cubic));
    let Input::Raster(red) = &spec.inputs["red"] else { panic!() };
    assert_eq!(red.crs.as_deref(), Some("EPSG:28355"));
    let Input::Raster(dates) = &spec.inputs["dates"] else { panic!() };
    assert_eq!(
        dates.files.paths().map(|path| path.as_str()).collect::<Vec<_>>(),
        ["/jobs/2024-01.tif", "s3://bucket/2024-02.tif"]
    );
    assert!(dates.files.is_list());
    let own = InputNodata::PerBand(vec![Nodata(0.0), Nodata(7.0)]);
    let each: Vec<_> = dates.each().map(|file| (file.bands, file.nodata)).collect();
    assert_eq!(each, [(None, dates.nodata.as_ref()), (Some(&[2, 1][..]), Some(&own))]);
    assert_eq!(dates.nodata, Some(InputNodata::All(Nodata(f64::NAN))));
    let Input::Vector(fields) = &spec.inputs["fields"] else { panic!() };
    assert_eq!(fields.layer, Some(Layer::Name("fields".into())));
    assert_eq!(fields.filter.as_deref(), Some("crop = 'wheat'"));
    assert_eq!((fields.burn(), fields.dtype, fields.nodata), (Burn::Value(7.0), DType::Int16, Nodata(-1.0)));
    assert!(fields.all_touched);
    let Input::Vector(soils) = &spec.inputs["soils"] else { panic!() };
    assert_eq!((soils.burn(), &soils.layer), (Burn::Attribute("id"), &Some(Layer::Index(2))));
    assert_eq!((soils.coverage, soils.dtype), (true, DType::Float64));

    let ndvi = &spec.outputs["ndvi"];
    assert_eq!(ndvi.nodata, Some(OutputNodata::Value(Nodata(-9999.0))));
    assert_eq!(ndvi.options.as_deref().unwrap(), ["COMPRESS=ZSTD", "PREDICTOR=3"]);
    assert_eq!(
        (ndvi.levels.as_deref(), ndvi.overview_resampling),
        (Some(&[2, 4, 8][..]), Some(OverviewResampling::Average))
    );
    assert!(ndvi.statistics && ndvi.histogram && ndvi.overviews && ndvi.thematic);
    assert_eq!(ndvi.metadata, IndexMap::from([("SENSOR".to_owned(), "MSI".to_owned())]));
    assert_eq!(spec.outputs["parts"].nodata, Some(OutputNodata::None(Absent::None)));

    assert_eq!(spec.grid.crs.as_deref(), Some("EPSG:28355"));
    assert_eq!((spec.grid.resolution, spec.grid.tile), (Some([10.0, 10.0]), Some([512, 256])));
    assert_eq!(spec.grid.tolerance, 0.25);
    assert_eq!(spec.grid.bounds, Some([500_000.0, 6_995_000.0, 505_000.0, 7_000_000.0]));
    assert_eq!(spec.limits, TileLimits { memory: Size(512 << 20), time: Time::seconds(90), fuel: 1_000_000 });

    let w = &spec.workers;
    assert_eq!((w.kind, w.count, w.min_count, w.threads), (WorkerKind::Fargate, Some(50), 10, Some(4)));
    assert_eq!(w.ticket.as_deref(), Some("/jobs/job.ticket"));
    let fargate = w.fargate.as_ref().unwrap();
    assert_eq!((fargate.cpu, fargate.memory, fargate.ecs.spot), (2048, FargateMemory(8192), Spot::Prefer));
    let tags = [("project", "ndvi"), ("cost centre", "geo")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(fargate.ecs.tags, IndexMap::from(tags));
    let ec2 = w.ec2.as_ref().unwrap();
    assert_eq!(
        (ec2.instance_count, ec2.network_mode, ec2.shutdown_after),
        (4, NetworkMode::Host, Time::seconds(6 * 3600))
    );
}

#[test]
fn levels_imply_overviews() {
    let spec = toml(&format!("{LEAST}[outputs.a]\npath = 'a.tif'\nlevels = [2]\n")).unwrap().spec;
    assert!(spec.outputs["a"].overviews);
}

/// NaN parameters become text on the way, which `as_f64` reads alike; all else comes back equal.
fn without_nan_params(mut spec: Spec) -> Spec {
    spec.params.retain(|_, value| !format!("{value:?}").contains("NaN") && !format!("{value:?}").contains("nan"));
    spec
}

#[test]
fn a_spec_as_json_is_the_same_job() {
    let spec = toml(FULL).unwrap().spec;
    let json = serde_json::to_string(&spec).unwrap();
    let read = load("job.json", &json, &[]).unwrap().spec;
    let deserialised: Spec = serde_json::from_str(&json).unwrap();
    assert_eq!(read.params["weights"], deserialised.params["weights"]);
    let Value::List(weights) = &read.params["weights"] else { panic!() };
    assert!(weights[2].as_f64().unwrap().is_nan());
    let spec = without_nan_params(spec);
    assert_eq!(without_nan_params(read), spec);
    assert_eq!(without_nan_params(deserialised), spec);
}

#[test]
fn json_by_name_or_by_looks() {
    let json = "\n {\"function\": {\"module\": \"m.wasm\"}, \"params\": {\"b\": 1.0, \"a\": [1, \"x\"]}}";
    for name in ["job.json", "<stdin>", "job"] {
        let spec = load(name, json, &[]).unwrap().spec;
        assert_eq!(spec.params.keys().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(spec.params["b"], Value::Float(1.0));
        assert_eq!(spec.params["a"], Value::List(vec![Value::Int(1), Value::Text("x".into())]));
    }
    load("job.toml", json, &[]).unwrap_err();
    load("<stdin>", LEAST, &[]).unwrap();
    load("job.toml", &format!("\u{feff}{LEAST}"), &[]).unwrap();
}

#[test]
fn overrides() {
    let set = [
        "params.scale=2",
        "params.name = two words ",
        "params.day=2024-01-31",
        "params.version=1.4.0",
        "params.\"a=b.c\"='x=y'",
        "params.list=[1,2]",
        "inputs.red.path=other.tif",
        "inputs.new.path=/data/new.tif",
        "inputs.new.bands=[1]",
        "outputs.ndvi.nodata=nan",
        "grid={tile=[64,64]}",
        "grid.edge=nearest",
        "grid.edge=reflect",
        "limits.memory=2GiB",
        "workers.kind=processes",
    ];
    let text =
        format!("{LEAST}[inputs.red]\npath = 'a.tif'\n[outputs.ndvi]\npath = 'b.tif'\n[grid]\nskip_empty = false\n");
    let spec = load("job.toml", &text, &set).unwrap().spec;
    let param = |name: &str| spec.params[name].clone();
    assert_eq!(param("scale"), Value::Int(2));
    assert_eq!(param("name"), Value::Text("two words".into()));
    assert_eq!(param("day"), Value::Text("2024-01-31".into()));
    assert_eq!(param("version"), Value::Text("1.4.0".into()));
    assert_eq!(param("a=b.c"), Value::Text("x=y".into()));
    assert_eq!(param("list"), Value::List(vec![Value::Int(1), Value::Int(2)]));
    let Input::Raster(red) = &spec.inputs["red"] else { panic!() };
    assert_eq!(red.files, RasterFiles::One("/jobs/other.tif".into()));
    let Input::Raster(new) = &spec.inputs["new"] else { panic!() };
    assert_eq!((&new.files, &new.bands), (&RasterFiles::One("/data/new.tif".into()), &Some(vec![1])));
    assert_eq!(spec.outputs["ndvi"].nodata, Some(OutputNodata::Value(Nodata(f64::NAN))));
    assert_eq!(spec.grid, Grid { tile: Some([64, 64]), edge: Edge::Reflect, ..Grid::default() });
    assert_eq!((spec.limits.memory, spec.workers.kind), (Size(2 << 30), WorkerKind::Processes));
}

#[test]
fn crs_forms() {
    for (written, read) in [
        ("EPSG:28355", "EPSG:28355"),
        ("epsg:4326", "EPSG:4326"),
        ("ESRI:102100", "ESRI:102100"),
        ("EPSG:4326+5773", "EPSG:4326+5773"),
        ("+proj=utm +zone=55 +south", "+proj=utm +zone=55 +south"),
        ("PROJCRS[\"x\"]", "PROJCRS[\"x\"]"),
    ] {
        let spec = toml(&format!("{LEAST}[grid]\ncrs = '{written}'\n")).unwrap().spec;
        assert_eq!(spec.grid.crs.as_deref(), Some(read));
    }
}

#[test]
fn reference_is_an_input_or_a_file() {
    let text = format!("{LEAST}[inputs.red]\npath = 'a.tif'\n[grid]\nreference = ");
    let reference = |value: &str| toml(&format!("{text}'{value}'")).unwrap().spec.grid.reference.unwrap();
    assert_eq!(reference("red"), "red");
    assert_eq!(reference("./red"), "/jobs/./red");
    assert_eq!(reference("red.tif"), "/jobs/red.tif");
}

#[test]
fn files_and_patterns() {
    let folder = tempfile::tempdir().unwrap();
    // The folder's own name looks like a pattern.
    let folder = folder.path().join("jobs[1]");
    fs::create_dir_all(folder.join("dates/.hidden")).unwrap();
    for name in
        ["dates/b.tif", "dates/a.tif", "dates/c.txt", "dates/.d.tif", "x[1].tif", "dates/.hidden/e.tif", "y.tif"]
    {
        fs::write(folder.join(name), "").unwrap();
    }
    let job = folder.join("job.toml");
    let text = format!(
        "{LEAST}[inputs.a]\npaths = [\"z.tif\", \"dates/*.tif\", \"x[1].tif\", {{ path = \"*.tif\", nodata = 0 }}]\nbands = 1\n"
    );
    fs::write(&job, &text).unwrap();
    let job = job.to_str().unwrap();
    let mistakes = load_file(job, &[]).unwrap_err().to_string();
    assert_eq!(
        mistakes,
        format!("{job}:5:9: inputs.a.bands: expected a list of band numbers, found 1\n1 mistake in the job")
    );
    let loaded = load_file(job, &["inputs.a.bands=[1]".to_owned()]).unwrap();
    let Input::Raster(a) = &loaded.spec.inputs["a"] else { panic!() };
    let names: Vec<_> = a.files.paths().map(|f| f.strip_prefix(folder.to_str().unwrap()).unwrap()).collect();
    assert_eq!(names, ["/z.tif", "/dates/a.tif", "/dates/b.tif", "/x[1].tif", "/x[1].tif", "/y.tif"]);
    let own: Vec<_> = a.each().map(|file| (file.own, file.nodata.is_some())).collect();
    assert_eq!(own[3..], [(None, false), (Some(4), true), (Some(5), true)]);
    // Each file found has its pattern's place, and the next path keeps its own.
    let at = |key: &str| loaded.position(key).to_string();
    assert_eq!(at("inputs.a.paths[2]"), format!("{job}:4:19"));
    assert_eq!(at("inputs.a.paths[4]"), format!("{job}:4:46"));
    assert_eq!(at("inputs.a.bands"), "--set inputs.a.bands=[1]");
    assert_eq!(at("inputs.a.nodata"), format!("{job}:3:9"));
    assert_eq!(at("grid.tile"), format!("{job}:1:1"));

    let none = load_file(job, &["inputs.a.paths=[\"no/*.tif\"]".to_owned(), "inputs.a.bands=[1]".to_owned()]);
    assert_eq!(
        none.unwrap_err().to_string(),
        format!(
            "--set inputs.a.paths=[\"no/*.tif\"]: inputs.a.paths[0]: no file matches \"no/*.tif\"\n  \
             hint: looked for {}/no/*.tif\n1 mistake in the job",
            folder.display()
        )
    );
}

#[test]
fn unreadable_files() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml").to_str().unwrap().to_owned();
    let mistakes = load_file(&missing, &[]).unwrap_err().to_string();
    assert_eq!(
        mistakes,
        format!("{missing}: cannot read the job file: No such file or directory (os error 2)\n1 mistake in the job")
    );
    let latin1 = folder.path().join("latin1.toml").to_str().unwrap().to_owned();
    fs::write(&latin1, b"# ok\n# Gr\xf6\xdfe\n").unwrap();
    let mistakes = load_file(&latin1, &[]).unwrap_err().to_string();
    assert_eq!(mistakes, format!("{latin1}: not UTF-8 text: line 2 has a byte that isn't\n1 mistake in the job"));
    let huge = folder.path().join("huge.toml").to_str().unwrap().to_owned();
    fs::File::create(&huge).unwrap().set_len((16 << 20) + 1).unwrap();
    let mistakes = load_file(&huge, &[]).unwrap_err().to_string();
    assert_eq!(mistakes, format!("{huge}: too large for a job file: more than 16777216 bytes\n1 mistake in the job"));
}
