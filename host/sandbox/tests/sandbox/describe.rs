//! Descriptions, well-formed and hostile.

use tilefn_abi::{DType, ParamKind};
use tilefn_sandbox::{Description, Error, Halo, Sandbox};
use types::{Nodata, Value};

use super::fixture::*;

fn described(sandbox: &Sandbox, name: &str, json: &str) -> Result<Description, Error> {
    let guest = guest("describes").with("describe", describes(name, json)).with("name", name);
    Ok(sandbox.compile(&guest.build())?.functions()[0].as_ref().clone())
}

#[test]
fn everything_a_function_can_say() {
    let json = r#"{"name":"f-1","doc":"Does it.\nIn two lines.",
        "inputs":[{"name":"dem","dtype":"any","list":true,"optional":true,"doc":"Heights."},
                  {"name":"mask","dtype":"uint8"}],
        "params":[{"name":"radius","type":"int","default":2,"min":1,"max":50},
                  {"name":"weights","type":"float","list":true,"default":[1,0.5]},
                  {"name":"fast","type":"bool","default":null},
                  {"name":"mode","type":"text","default":"mean"}],
        "outputs":[{"name":"a","dtype":"any","nodata":"nan"},{"name":"b","dtype":"int16","nodata":-9999.0},
                   {"name":"c","dtype":"float32","list":true,"nodata":null}],
        "halo":"radius","reduce":false}"#;
    let f = described(&sandbox(), "f-1", json).unwrap();
    assert_eq!((f.name.as_str(), f.doc.as_str()), ("f-1", "Does it.\nIn two lines."));
    assert_eq!((f.inputs[0].dtype, f.inputs[0].list, f.inputs[0].optional), (None, true, true));
    assert_eq!(f.inputs[0].doc, "Heights.");
    assert_eq!((f.inputs[1].dtype, f.inputs[1].list, f.inputs[1].optional), (Some(DType::UInt8), false, false));
    assert_eq!(f.params[0].kind, ParamKind::Int);
    assert_eq!(f.params[0].default, Some(Value::Int(2)));
    assert_eq!((&f.params[0].min, &f.params[0].max), (&Some(Value::Int(1)), &Some(Value::Int(50))));
    assert_eq!(f.params[1].default, Some(Value::List(vec![Value::Float(1.0), Value::Float(0.5)])));
    assert_eq!((f.params[2].kind, &f.params[2].default), (ParamKind::Bool, &None));
    assert_eq!(f.params[3].default, Some(Value::Text("mean".to_owned())));
    assert!(matches!(f.outputs[0].nodata, Some(Nodata::Float(x)) if x.is_nan()));
    assert_eq!(f.outputs[1].nodata, Some(Nodata::Int(-9999)));
    assert_eq!(f.outputs[2].nodata, None);
    assert_eq!(f.halo, Halo::Param("radius".to_owned()));
    assert!(!f.reduce);
}

#[test]
fn a_parameters_limits_hold_for_the_job_too() {
    let json = r#"{"name":"f","outputs":[{"name":"y","dtype":"uint8"}],
        "params":[{"name":"n","type":"int","min":1,"max":5},{"name":"w","type":"float","list":true,"max":1}]}"#;
    let f = described(&sandbox(), "f", json).unwrap();
    let [n, w] = &f.params[..] else { panic!() };
    let floats = |items: &[f64]| Value::List(items.iter().copied().map(Value::Float).collect());
    assert_eq!(n.check(&Value::Int(5)), Ok(()));
    assert_eq!(n.check(&Value::Int(0)), Err("is 0, below the minimum 1".to_owned()));
    assert_eq!(n.check(&Value::Int(6)), Err("is 6, above the maximum 5".to_owned()));
    assert_eq!(n.check(&Value::Float(2.0)), Err("is not an integer".to_owned()));
    assert_eq!(n.check(&Value::List(vec![])), Err("is not an integer".to_owned()));
    assert_eq!(w.check(&floats(&[0.5, 1.0])), Ok(()));
    assert_eq!(w.check(&floats(&[0.5, 1.5])), Err("is 1.5, above the maximum 1".to_owned()));
    assert_eq!(w.check(&floats(&[f64::NAN])), Err("is NaN, above the maximum 1".to_owned()));
    assert_eq!(w.check(&Value::Float(0.5)), Err("is not a list".to_owned()));
}

#[test]
fn mistakes_are_named() {
    let inputs =
        |inputs: &str| format!(r#"{{"name":"f","inputs":[{inputs}],"outputs":[{{"name":"y","dtype":"uint8"}}]}}"#);
    let params =
        |params: &str| format!(r#"{{"name":"f","params":[{params}],"outputs":[{{"name":"y","dtype":"uint8"}}]}}"#);
    let outputs = |outputs: &str| format!(r#"{{"name":"f","outputs":[{outputs}]}}"#);
    let halo = |halo: &str| {
        format!(
            r#"{{"name":"f","outputs":[{{"name":"y","dtype":"uint8"}}],"halo":{halo},"params":[
                {{"name":"t","type":"text"}},{{"name":"l","type":"int","list":true}}]}}"#
        )
    };
    let name_rule = "a name has 1 to 64 letters A-Z a-z, digits, `_` or `-`, and no digit or `-` first";
    let cases = [
        (String::new(), "EOF while parsing a value at line 1 column 0".to_owned()),
        ("1".to_owned(), "invalid type: integer `1`, expected a description as a JSON object at line 1 column 1".to_owned()),
        ("{\"name\":\"f\"}}".to_owned(), "trailing characters at line 1 column 13".to_owned()),
        ("\"\u{1}\"".to_owned(), "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 2".to_owned()),
        (r#"{"name":"g"}"#.to_owned(), "it names itself `g`".to_owned()),
        (r#"{"name":"f"}"#.to_owned(), r#"it has neither outputs nor "reduce""#.to_owned()),
        (r#"{"name":"f","name":"f"}"#.to_owned(), "duplicate field `name` at line 1 column 18".to_owned()),
        (
            r#"{"name":"f","colour":1}"#.to_owned(),
            "unknown field `colour`, expected one of `name`, `doc`, `inputs`, `params`, `outputs`, `halo`, `reduce` at line 1 column 20".to_owned(),
        ),
        (
            r#"{"name":"f","reduce":true}"#.to_owned(),
            r#""reduce" is true, but the module has no `merge:f` and `finish:f`"#.to_owned(),
        ),
        (inputs(r#"{"name":"a"}"#), "missing field `dtype` at line 1 column 34".to_owned()),
        (
            inputs(r#"{"name":"a","dtype":"uint128"}"#),
            r#"input `a` has the unknown type "uint128" (uint8 … float64, or any)"#.to_owned(),
        ),
        (inputs(r#"{"name":"","dtype":"any"}"#), format!(r#""" can't be the name of any input: {name_rule}"#)),
        (inputs(r#"{"name":"1a","dtype":"any"}"#), format!(r#""1a" can't be the name of any input: {name_rule}"#)),
        (inputs(r#"{"name":"a.b","dtype":"any"}"#), format!(r#""a.b" can't be the name of any input: {name_rule}"#)),
        (inputs(r#"{"name":"\u001b[2J","dtype":"any"}"#), format!(r#""\u{{1b}}[2J" can't be the name of any input: {name_rule}"#)),
        (inputs(r#"{"name":"größe","dtype":"any"}"#), format!(r#""größe" can't be the name of any input: {name_rule}"#)),
        (
            inputs(r#"{"name":"a","dtype":"any"},{"name":"b","dtype":"any"},{"name":"a","dtype":"int8"}"#),
            "the input `a` is there twice".to_owned(),
        ),
        (inputs(&[r#"{"name":"a","dtype":"any"}"#; 65].join(",")), "it has 65 inputs, the limit is 64".to_owned()),
        (params(r#"{"name":"p","type":"complex"}"#), r#"parameter `p` has the unknown type "complex" (bool, int, float, text or bytes)"#.to_owned()),
        (params(r#"{"name":"p","type":"bytes","list":true}"#), "parameter `p` is a list of bytes, which can't be: take one parameter for each file".to_owned()),
        (params(r#"{"name":"p","type":"bytes","default":""}"#), "parameter `p` is bytes and has a default, which can't be: the job names its file".to_owned()),
        (params(r#"{"name":"-p","type":"int"}"#), format!(r#""-p" can't be the name of any parameter: {name_rule}"#)),
        (params(r#"{"name":"p","type":"int","default":0.5}"#), "the default of parameter `p` is of another type than the parameter".to_owned()),
        (params(r#"{"name":"p","type":"int","default":9223372036854775808}"#), "the default of parameter `p` is of another type than the parameter".to_owned()),
        (params(r#"{"name":"p","type":"int","default":[1]}"#), "the default of parameter `p` is of another type than the parameter".to_owned()),
        (params(r#"{"name":"p","type":"int","list":true,"default":1}"#), "the default of parameter `p` is of another type than the parameter".to_owned()),
        (params(r#"{"name":"p","type":"int","default":0,"min":1}"#), "the default of parameter `p` is 0, below the minimum 1".to_owned()),
        (params(r#"{"name":"p","type":"float","list":true,"default":[1,3],"max":2.5}"#), "the default of parameter `p` is 3, above the maximum 2.5".to_owned()),
        (params(r#"{"name":"p","type":"int","min":2,"max":1}"#), "the minimum of parameter `p` is above its maximum".to_owned()),
        (params(r#"{"name":"p","type":"text","min":2}"#), "parameter `p` has a minimum, but isn't a number".to_owned()),
        (params(r#"{"name":"p","type":"int","max":"x"}"#), "the maximum of parameter `p` is of another type than the parameter".to_owned()),
        (
            outputs(r#"{"name":"y","dtype":"any"}"#),
            r#"the type of output `y` is "any", but no input has this type"#.to_owned(),
        ),
        (outputs(r#"{"name":"y","dtype":"uint8","nodata":256}"#), "the nodata 256 of output `y` doesn't fit its type uint8".to_owned()),
        (outputs(r#"{"name":"y","dtype":"int16","nodata":"nan"}"#), "the nodata NaN of output `y` doesn't fit its type int16".to_owned()),
        (outputs(r#"{"name":"y","dtype":"float32","nodata":"none"}"#), r#"the nodata of output `y` is neither a number nor "nan""#.to_owned()),
        (halo("-1"), "the halo of -1 isn't between 0 and 16384".to_owned()),
        (halo("16385"), "the halo of 16385 isn't between 0 and 16384".to_owned()),
        (halo("1.5"), "the halo must be a number of pixels or the name of a parameter at line 1 column 63".to_owned()),
        (halo("\"r\""), "the halo `r` isn't the name of an integer parameter".to_owned()),
        (halo("\"t\""), "the halo `t` isn't the name of an integer parameter".to_owned()),
        (halo("\"l\""), "the halo `l` isn't the name of an integer parameter".to_owned()),
        (format!(r#"{{"name":"f","halo":{}"#, "[".repeat(1000)), "recursion limit exceeded at line 1 column 146".to_owned()),
        (
            format!(r#"{{"name":"f","params":[{{"name":"p","type":"int","default":{}"#, "[".repeat(1000)),
            "recursion limit exceeded at line 1 column 182".to_owned(),
        ),
    ];
    let sandbox = sandbox();
    let mut wrong = String::new();
    for (json, problem) in cases {
        let expected = format!("the description of function `f` is wrong: {problem}");
        let found = described(&sandbox, "f", &json).map_or_else(|e| e.to_string(), |_| "no error".to_owned());
        if found != expected {
            wrong += &format!("{json:.200}\n  expected {expected}\n  found    {found}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_works(&sandbox);
}

#[test]
fn descriptions_that_are_too_long_or_nowhere() {
    let sandbox = sandbox();
    let packed =
        |pointer: u64, len: u64| guest("describes-from-elsewhere").with("packed", (pointer << 32 | len).cast_signed());
    let cases = [
        (packed(0, 300_000), "the description of function `double`: 300000 bytes, the limit is 262144"),
        (packed(0, 0xffff_ffff), "the description of function `double`: 4294967295 bytes, the limit is 262144"),
        (
            packed(131_000, 100),
            "`describe:double` broke the ABI: its description is outside its memory (pointer 131000, 100 bytes)",
        ),
        (
            packed(0xffff_fff0, 100),
            "`describe:double` broke the ABI: its description is outside its memory (pointer 4294967280, 100 bytes)",
        ),
        (packed(4096, 4), "the description of function `double` is wrong: expected value at line 1 column 1"),
    ];
    for (guest, message) in cases {
        assert_eq!(error_in(&sandbox, guest).to_string(), message);
    }
}
