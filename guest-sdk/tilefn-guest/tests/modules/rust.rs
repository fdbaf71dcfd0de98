//! The SDK in a real module, tests/module, built as an author would.

use crate::host::{Band, Call, Failure, Module, Output, Param, Raster, build};
use serde_json::json;
use tilefn_abi::{DType, Report};

#[test]
fn exports_are_those_of_the_abi() {
    let names = [
        "above",
        "as_array",
        "context",
        "difference",
        "halved",
        "looked_up",
        "median",
        "ndvi",
        "panics",
        "params",
        "range",
        "same",
        "smooth",
        "split",
        "wrong_size",
    ];
    let mut expected: Vec<String> =
        ["memory", "tilefn_abi_v1", "tilefn_alloc", "tilefn_memory_used"].map(String::from).into();
    for name in names {
        expected.extend(["describe", "process"].map(|prefix| format!("{prefix}:{name}")));
    }
    for name in ["halved", "range"] {
        expected.extend(["merge", "finish"].map(|prefix| format!("{prefix}:{name}")));
    }
    expected.sort();
    let module = Module::new();
    // The linker's own, in every module that rustc links.
    let mut exports = module.exports();
    exports.retain(|name| !name.starts_with("__"));
    assert_eq!(exports, expected);
    assert_eq!(module.imports(), ["tilefn.report"]);
}

#[test]
fn a_division_of_tiles_runs_on_vectors() {
    // f32x4.div of the SIMD proposal; ndvi is the only function that divides two floats.
    assert!(build().windows(3).any(|bytes| bytes == [0xfd, 0xe7, 0x01]));
}

#[test]
fn a_function_is_described_by_its_signature() {
    let mut module = Module::new();
    assert_eq!(
        module.describe("ndvi"),
        json!({
            "name": "ndvi", "doc": "Normalised difference vegetation index.",
            "inputs": [
                {"name": "red", "dtype": "float32", "list": false, "optional": false, "doc": ""},
                {"name": "nir", "dtype": "float32", "list": false, "optional": false, "doc": ""},
            ],
            "params": [],
            "outputs": [{"name": "ndvi", "dtype": "float32", "list": false, "nodata": null, "doc": ""}],
            "halo": 0, "reduce": false,
        })
    );
    assert_eq!(
        module.describe("above"),
        json!({
            "name": "above", "doc": "",
            "inputs": [{"name": "dem", "dtype": "uint16", "list": false, "optional": false, "doc": "Height in metres."}],
            "params": [{
                "name": "limit", "type": "int", "list": false, "default": 100, "min": 1, "max": 65535,
                "doc": "Where the upper class begins.",
            }],
            "outputs": [{"name": "above", "dtype": "uint8", "list": false, "nodata": 255, "doc": ""}],
            "halo": 0, "reduce": false,
        })
    );
    assert_eq!(module.describe("smooth")["halo"], json!("radius"));
    assert_eq!(module.describe("same")["halo"], json!(1));
    assert_eq!(module.describe("same")["outputs"][0]["dtype"], json!("any"));
}

#[test]
fn inputs_and_outputs_are_described_by_their_types() {
    let mut module = Module::new();
    assert_eq!(
        module.describe("median")["inputs"],
        json!([
            {"name": "scenes", "dtype": "int16", "list": true, "optional": false, "doc": ""},
            {"name": "mask", "dtype": "uint8", "list": false, "optional": true, "doc": ""},
        ])
    );
    assert_eq!(
        module.describe("split")["outputs"],
        json!([
            {"name": "whole", "dtype": "int32", "list": false, "nodata": -1, "doc": "Without the rest."},
            {"name": "bands", "dtype": "float64", "list": true, "nodata": null, "doc": ""},
            {"name": "first", "dtype": "any", "list": false, "nodata": null, "doc": ""},
        ])
    );
    let range = module.describe("range");
    assert_eq!((&range["outputs"], &range["reduce"]), (&json!([]), &json!(true)));
    let halved = module.describe("halved");
    assert_eq!((&halved["outputs"][0]["nodata"], &halved["reduce"]), (&json!("nan"), &json!(true)));
}

#[test]
fn parameters_are_described_with_defaults_and_bounds() {
    let params = Module::new().describe("params")["params"].clone();
    let param = |name: &str, kind: &str, list: bool, default, min, max| json!({"name": name, "type": kind, "list": list, "default": default, "min": min, "max": max, "doc": ""});
    assert_eq!(
        params,
        json!([
            param("flag", "bool", false, json!(null), json!(null), json!(null)),
            param("int", "int", false, json!(-3), json!(null), json!(null)),
            param("float", "float", false, json!(2.0), json!(0.5), json!(null)),
            param("text", "text", false, json!("näh"), json!(null), json!(null)),
            param("flags", "bool", true, json!([true, false]), json!(null), json!(null)),
            param("ints", "int", true, json!(null), json!(0), json!(200)),
            param("floats", "float", true, json!([]), json!(null), json!(null)),
            param("texts", "text", true, json!(null), json!(null), json!(null)),
        ])
    );
}

#[test]
fn each_band_has_its_own_nodata_and_floats_have_nan() {
    let red = Raster::f32([2, 1, 3], &[1.0, 2.0, f32::NAN, 1.0, 2.0, 3.0]).nodata(&[Some(2.0), None]);
    let nir = Raster::f32([2, 1, 3], &[3.0, 6.0, 1.0, 3.0, -1.0, 1.0]).nodata(&[None, Some(-1.0)]);
    let result =
        Module::new().process("ndvi", Call::new(1, 3).input("red", [red]).input("nir", [nir]).output("ndvi", 1));
    let ndvi = &result.unwrap().outputs[0][0];
    assert_eq!(ndvi.shape, [2, 1, 3]);
    assert_eq!(ndvi.f32(), [Some(0.5), None, None, Some(0.5), None, Some(-0.5)]);
}

#[test]
fn invalid_pixels_of_integer_results_are_marked() {
    let dem = Raster::new(DType::UInt16, [1, 2, 2], [0u16, 99, 100, 7]).nodata(&[Some(0.0)]);
    let call = Call::new(2, 2).input("dem", [dem]).param(Param::Int(100)).output("above", 1);
    let above = &Module::new().process("above", call).unwrap().outputs[0][0];
    assert_eq!((above.dtype, above.nodata, above.bytes.as_slice()), (DType::UInt8, Some(255), &[255, 0, 1, 0][..]));
}

#[test]
fn without_nodata_every_pixel_is_valid() {
    let dem = Raster::new(DType::UInt16, [1, 1, 2], [0u16, 200]);
    let call = Call::new(1, 2).input("dem", [dem]).param(Param::Int(100)).output("above", 1);
    let above = &Module::new().process("above", call).unwrap().outputs[0][0];
    assert_eq!((above.nodata, above.bytes.as_slice()), (None, &[0, 1][..]));
}

#[test]
fn results_have_no_halo() {
    let dem = Raster::f32([1, 3, 4], &[0.0, 0.0, 0.0, 0.0, 9.0, 9.0, 0.0, 18.0, 0.0, 0.0, 0.0, 0.0]);
    let call = Call::new(1, 2).halo(1).input("dem", [dem]).param(Param::Int(1)).output("smooth", 1);
    assert_eq!(Module::new().process("smooth", call).unwrap().outputs[0][0].f32(), [Some(2.0), Some(3.0)]);

    let image = Raster::new(DType::Int64, [1, 3, 4], [0i64, 0, 0, 0, 0, 1 << 60, -5, 0, 0, 0, 0, 0]);
    let call = Call::new(1, 2).halo(1).input("image", [image]).output("same", 1);
    let same = &Module::new().process("same", call).unwrap().outputs[0][0];
    assert_eq!((same.dtype, same.shape), (DType::Int64, [1, 1, 2]));
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, i64>(&same.bytes), [1 << 60, -5]);
}

#[test]
fn bands_with_different_nodata_get_one_marker_in_an_output() {
    let image = Raster::new(DType::UInt8, [2, 3, 3], [1u8; 18]).nodata(&[Some(1.0), Some(2.0)]);
    let call = Call::new(1, 1).halo(1).input("image", [image]).output("same", 1);
    let same = &Module::new().process("same", call).unwrap().outputs[0][0];
    assert_eq!((same.nodata, same.bytes.as_slice()), (Some(255), &[255, 1][..]));
}

#[test]
fn the_marker_of_an_output_is_no_valid_pixels_value() {
    let mut pixels = [1u8; 18];
    pixels[9..].fill(255);
    let image = Raster::new(DType::UInt8, [2, 3, 3], pixels).nodata(&[Some(1.0), Some(2.0)]);
    let call = Call::new(1, 1).halo(1).input("image", [image]).output("same", 1);
    let same = &Module::new().process("same", call).unwrap().outputs[0][0];
    assert_eq!((same.nodata, same.bytes.as_slice()), (Some(254), &[254, 255][..]));

    let dem = Raster::new(DType::UInt16, [1, 1, 2], [0u16, 9]).nodata(&[Some(0.0)]);
    let call = Call::new(1, 2).input("a", [dem.clone()]).input("b", [dem]).output("difference", 1);
    let zero = &Module::new().process("difference", call).unwrap().outputs[0][0];
    assert_eq!((zero.nodata, bytemuck::pod_collect_to_vec::<u8, u16>(&zero.bytes)), (Some(65535), vec![65535, 0]));
}

#[test]
fn an_overflow_is_a_panic_with_its_place() {
    let raster = |value: u16| Raster::new(DType::UInt16, [1, 1, 1], [value]);
    let call = Call::new(1, 1).input("a", [raster(1)]).input("b", [raster(2)]).output("difference", 1);
    let failure = Module::new().process("difference", call).unwrap_err();
    let line = include_str!("../module/src/lib.rs").lines().position(|line| line.contains("|a, b| a - b"));
    let place = format!("attempt to subtract with overflow, at src/lib.rs:{}:34", line.unwrap() + 1);
    assert_eq!(failure, Failure::Panicked(place));
}

#[test]
fn lists_and_optional_inputs() {
    let scene = |pixels: [i16; 2]| Raster::new(DType::Int16, [1, 1, 2], pixels).nodata(&[Some(-1.0)]);
    let scenes = [scene([1, -1]), scene([9, 5]), scene([3, -1])];
    let call = Call::new(1, 2).input("scenes", scenes.clone()).input("mask", []).output("median", 1);
    assert_eq!(Module::new().process("median", call).unwrap().outputs[0][0].f32(), [Some(3.0), Some(5.0)]);

    let mask = Raster::new(DType::UInt8, [1, 1, 2], [0u8, 1]).nodata(&[Some(0.0)]);
    let call = Call::new(1, 2).input("scenes", scenes).input("mask", [mask]).output("median", 1);
    assert_eq!(Module::new().process("median", call).unwrap().outputs[0][0].f32(), [None, Some(5.0)]);
}

#[test]
fn several_outputs_come_in_the_order_of_the_fields() {
    let image = Raster::new(DType::Float64, [2, 1, 1], [2.25f64, -7.5]);
    let call = |first| {
        let image = image.clone();
        Call::new(1, 1).input("image", [image]).output("whole", 1).output("bands", 2).output("first", first)
    };
    let outputs = Module::new().process("split", call(1)).unwrap().outputs;
    let floats = |output: &Output| bytemuck::pod_collect_to_vec::<u8, f64>(&output.bytes);
    assert_eq!(outputs.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    assert_eq!(bytemuck::pod_collect_to_vec::<u8, i32>(&outputs[0][0].bytes), [2, -7]);
    // Every pixel is valid, so nothing marks any.
    assert_eq!(outputs[0][0].nodata, None);
    assert_eq!((floats(&outputs[1][0]), floats(&outputs[1][1])), (vec![0.25], vec![-0.5]));
    assert_eq!(floats(&outputs[2][0]), [2.25]);

    let outputs = Module::new().process("split", call(0)).unwrap().outputs;
    assert_eq!(outputs.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 0]);
}

#[test]
fn parts_of_tiles_are_merged_and_finished() {
    let part = |index, pixels: [f32; 2]| {
        let call = Call::new(1, 2).index(index).input("dem", [Raster::f32([1, 1, 2], &pixels)]);
        Module::new().process("range", call).unwrap().state
    };
    let (a, b) = (part(0, [3.0, f32::NAN]), part(1, [5.0, -2.0]));
    let merged = Module::new().merge("range", &a, &b).unwrap();
    let finished = Module::new().finish("range", &merged).unwrap();
    assert_eq!(finished, json!({"least": -2.0, "greatest": 5.0, "tiles": [0, 1]}));
}

#[test]
fn what_json_cannot_hold_is_null() {
    let finished = Module::new().finish("range", &[]).unwrap();
    assert_eq!(finished, json!({"least": null, "greatest": null, "tiles": []}));
}

#[test]
fn a_state_that_is_none_is_refused() {
    let failure = Module::new().merge("range", &[1, 2, 3], &[]).unwrap_err();
    let message = "the reduced state can't be read back: Hit the end of buffer, expected more data";
    assert_eq!(failure, Failure::Reported(message.into()));
}

#[test]
fn outputs_and_state_go_together() {
    let call = Call::new(1, 1).input("dem", [Raster::f32([1, 1, 1], &[3.0])]).output("halved", 1);
    let result = Module::new().process("halved", call).unwrap();
    assert_eq!(result.outputs[0][0].f32(), [Some(1.5)]);
    let finished = Module::new().finish("halved", &result.state).unwrap();
    assert_eq!(finished, json!({"least": 3.0, "greatest": 3.0, "tiles": [0]}));
}

#[test]
fn a_parameter_is_the_bytes_of_a_file() {
    let image = Raster::new(DType::UInt8, [1, 1, 3], [2u8, 0, 9]);
    let call = Call::new(1, 3).input("image", [image]).output("looked_up", 1);
    let call = call.param_of_kind(Param::Text("abc"), 5);
    let outcome = Module::new().process("looked_up", call).unwrap();
    assert_eq!(outcome.outputs[0][0].bytes, b"ca\0");
}

#[test]
fn parameters_arrive_and_log_lines_leave() {
    let params = [
        Param::Bool(true),
        Param::Int(i64::MIN),
        Param::Float(0.1),
        Param::Text("größe"),
        Param::List(vec![Param::Bool(false)]),
        Param::List(vec![Param::Int(0), Param::Int(200)]),
        Param::List(vec![]),
        Param::List(vec![Param::Text(""), Param::Text("b")]),
    ];
    let kinds = [1, 2, 3, 4, 1, 2, 3, 4];
    let call = Call::new(1, 1).input("image", [Raster::new(DType::UInt8, [1, 1, 1], [1u8])]).output("params", 1);
    let call = params.into_iter().zip(kinds).fold(call, |call, (param, kind)| call.param_of_kind(param, kind));
    let mut module = Module::new();
    module.process("params", call).unwrap();
    let line = r#"true -9223372036854775808 0.1 "größe" [false] [0, 200] [] ["", "b"]"#;
    assert_eq!(module.reports(), [(Report::Info, line.into()), (Report::Warning, "that was all".into())]);
}

#[test]
fn the_context_is_what_the_host_wrote() {
    let band = |name, nodata| Band { name, nodata };
    let image = Raster::new(DType::UInt64, [2, 5, 6], [1u64; 60])
        .path("s3://bucket/a.tif")
        .bands([band("red", Some(7)), band("", None)]);
    let call = Call::new(1, 2).halo(2).index(5).input("image", [image]).input("extra", []).output("context", 1);
    let mut module = Module::new();
    module.process("context", call).unwrap();
    let expected = "Context { index: 5, count: 12, matrix: (1, 2), matrix_size: (4, 3), \
        window: Window { row: 100, col: 200, rows: 1, cols: 2 }, grid_size: (400, 600), \
        geotransform: [500.0, 10.0, 0.0, 8000.0, 0.0, -10.0], crs: \"LOCAL_CS[\\\"plan\\\"]\", halo: 2, \
        inputs: [InputInfo { name: \"image\", files: [FileInfo { path: \"s3://bucket/a.tif\", dtype: UInt64, \
        bands: [BandInfo { name: \"red\", nodata: Some(7.0) }, BandInfo { name: \"\", nodata: None }] }] }, \
        InputInfo { name: \"extra\", files: [] }] }";
    assert_eq!(module.reports(), [(Report::Info, expected.into()), (Report::Info, "0".into())]);
}

#[test]
fn a_failure_is_reported_with_its_text() {
    let scene = Raster::new(DType::Int16, [1, 1, 1], [1i16]);
    let call = Call::new(1, 1).input("scenes", [scene]).input("mask", []).output("median", 1);
    let failure = Module::new().process("median", call).unwrap_err();
    assert_eq!(failure, Failure::Reported("a median of 1 scene says little".into()));
}

#[test]
fn a_panic_is_reported_with_its_place() {
    let call = Call::new(1, 1).input("image", [Raster::new(DType::UInt8, [1, 1, 1], [1u8])]).param(Param::Int(7));
    let failure = Module::new().process("panics", call.output("panics", 1)).unwrap_err();
    let Failure::Panicked(message) = failure else { panic!("{failure:?}") };
    let line = include_str!("../module/src/lib.rs").lines().position(|line| line.contains("assert!(divisor"));
    let place = format!("divisor is 7, at src/lib.rs:{}:5", line.unwrap() + 1);
    assert_eq!(message, place);
}

#[test]
fn outputs_of_wrong_number_or_size_are_refused() {
    let call = |tiles, files| {
        let image = Raster::new(DType::UInt8, [1, 3, 2], [1u8; 6]);
        Call::new(3, 2).input("image", [image]).param(Param::Int(tiles)).output("wrong_size", files)
    };
    assert_eq!(
        Module::new().process("wrong_size", call(1, 2)).unwrap_err(),
        Failure::Reported("output \"wrong_size\": the function returned 1 tiles, the job names 2 files".into())
    );
    assert_eq!(
        Module::new().process("wrong_size", call(1, 1)).unwrap_err(),
        Failure::Reported("output \"wrong_size\": the function returned 4 × 2 pixels, the tile has 3 × 2".into())
    );
    let image = Raster::f32([1, 3, 4], &[0.0; 12]);
    let call = Call::new(1, 2).halo(1).input("image", [image]).output("as_array", 1);
    assert_eq!(
        Module::new().process("as_array", call).unwrap_err(),
        Failure::Reported(
            "output \"as_array\": the function returned 3 × 4 pixels, the tile has 1 × 2; that is with the halo, which an \
             array doesn't tell: add .with_halo(1)"
                .into()
        )
    );
}

#[test]
fn what_the_host_gets_wrong_is_reported() {
    let image = || Raster::new(DType::UInt8, [1, 1, 1], [1u8]);
    let failure = |function, call: Call| Module::new().process(function, call).unwrap_err();
    assert_eq!(
        failure("ndvi", Call::new(1, 1).input("red", [image()]).input("nir", [image()])),
        Failure::Reported("input \"red\": the pixels are uint8, not float32".into())
    );
    assert_eq!(
        failure("same", Call::new(1, 1).input("image", [image(), image()])),
        Failure::Reported("input \"image\": the function takes one file, the host passed 2".into())
    );
    assert_eq!(failure("same", Call::new(1, 1)), Failure::Reported("input number 0 is missing".into()));
    assert_eq!(
        failure("panics", Call::new(1, 1).input("image", [image()])),
        Failure::Reported("parameter \"divisor\" is missing".into())
    );
    assert_eq!(
        failure("panics", Call::new(1, 1).input("image", [image()]).param(Param::Float(7.0))),
        Failure::Reported("parameter \"divisor\": the host passed a value of another type".into())
    );
    assert_eq!(
        failure("panics", Call::new(1, 1).input("image", [image()]).param(Param::Int(1 << 40))),
        Failure::Reported("parameter \"divisor\": 1099511627776 is outside the range of i32".into())
    );
}
