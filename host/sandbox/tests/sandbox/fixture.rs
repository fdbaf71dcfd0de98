//! Modules in WebAssembly text, and what runs them.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use bytemuck::bytes_of;
use tilefn_abi::{Call, DType, Input, Raster, Slice};
use tilefn_sandbox::{Error, Function, Instance, Limits, Module, OutRaster, Result, Sandbox};

/// The text of a file in `tests/guests`.
pub fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name).with_extension("wat");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A module in WebAssembly text: a file in `tests/guests` with places, `{like-this}`, for what a test tries in many variants.
///
/// A place for one of the [`parts`] of a good module may stay as it is.
/// A test that replaces a part of a good module, or that has a table of lines and what follows from each, keeps these lines.
/// Whatever is longer is a file.
#[derive(Clone)]
pub struct Guest(String);

pub fn guest(name: &str) -> Guest {
    Guest(file(name))
}

/// The module that doubles the pixels of its one input, in place.
pub fn good() -> Guest {
    guest("good")
}

/// What the good module says of itself.
pub const DOUBLE: &str = r#"{"name":"double","doc":"Twice the value.",
    "inputs":[{"name":"x","dtype":"float32"}],"params":[],
    "outputs":[{"name":"y","dtype":"float32"}],"halo":0,"reduce":false}"#;

/// The places that a test needn't fill. An earlier part may contain a later one.
fn parts() -> [(&'static str, String); 9] {
    [
        ("imports", String::new()),
        ("more", String::new()),
        ("marker", r#"(func (export "tilefn_abi_v1"))"#.to_owned()),
        ("memory", r#"(memory (export "memory") 2)"#.to_owned()),
        ("describe", describes("double", DOUBLE)),
        ("process", r#"{double} (export "process:double" (func $double))"#.to_owned()),
        ("alloc", file("alloc")),
        ("double", file("double")),
        ("left", file("left")),
    ]
}

impl Guest {
    /// Puts `text` where the file has `{place}`.
    #[must_use]
    pub fn with(self, place: &str, text: impl Display) -> Self {
        let place = format!("{{{place}}}");
        assert!(self.0.contains(&place), "there is no place {place} in\n{}", self.0);
        Self(self.0.replace(&place, &text.to_string()))
    }

    /// The module in binary.
    pub fn build(self) -> Vec<u8> {
        let text = parts().iter().fold(self.0, |text, (place, part)| text.replace(&format!("{{{place}}}"), part));
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }
}

/// Exports `describe:NAME`, its JSON at address 1024.
pub fn describes(name: &str, json: &str) -> String {
    let data: String = json.bytes().map(|b| format!("\\{b:02x}")).collect();
    format!(
        r#"(data (i32.const 1024) "{data}")
           (func (export "describe:{name}") (result i64) (i64.const {}))"#,
        (1024u64 << 32) | json.len() as u64
    )
}

/// Limits that a spinning module runs into soon.
pub fn limits() -> Limits {
    Limits {
        memory: 16 << 20,
        time: Duration::from_millis(100),
        describe_time: Duration::from_millis(100),
        table_elements: 1000,
        ..Limits::default()
    }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(&limits(), 1, 1 << 20).unwrap()
}

/// A call block with one input raster of `rows` × `cols` float32 pixels at `data`.
pub fn call(data: u32, rows: u32, cols: u32) -> Vec<u8> {
    let raster = Raster { dtype: DType::Float32 as u32, bands: 1, rows, cols, data, ..Raster::default() };
    let input = Input { rasters: Slice { offset: 160, len: 1 }, ..Input::default() };
    let call = Call { size: 200, rows, cols, inputs: Slice { offset: 144, len: 1 }, ..Call::default() };
    [bytes_of(&call), bytes_of(&input), bytes_of(&raster)].concat()
}

/// Puts pixels into an instance and runs it; the rasters of its first output.
pub fn process(instance: &mut Instance, pixels: &[f32]) -> Result<Vec<OutRaster>> {
    let range = instance.alloc(size_of_val(pixels), 16)?;
    let bytes: Vec<u8> = pixels.iter().flat_map(|p| p.to_le_bytes()).collect();
    instance.bytes_mut(range)?.copy_from_slice(&bytes);
    let outcome = instance.process(&call(range.pointer(), 1, u32::try_from(pixels.len()).unwrap()))?;
    Ok(outcome.outputs.first().cloned().unwrap_or_default())
}

/// The pixels of an output raster.
pub fn pixels(instance: &Instance, raster: &OutRaster) -> Vec<f32> {
    let bytes = instance.bytes(raster.range).unwrap();
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Whether the sandbox still runs a good module as it should.
pub fn assert_works(sandbox: &Sandbox) {
    let module = sandbox.compile(&good().build()).unwrap();
    let mut instance = module.function("double").unwrap().instance().unwrap();
    let rasters = process(&mut instance, &[1.0, -2.5, 0.0]).unwrap();
    assert_eq!(pixels(&instance, &rasters[0]), [2.0, -5.0, 0.0]);
}

/// The function of a module with a single one.
pub fn only(module: &Module) -> Result<Function> {
    module.function(&module.functions()[0].name)
}

/// Compiles a module and runs its only function on three pixels.
pub fn run(sandbox: &Sandbox, guest: Guest) -> Result<Vec<OutRaster>> {
    let module = sandbox.compile(&guest.build())?;
    process(&mut only(&module)?.instance()?, &[1.0, 2.0, 3.0])
}

/// The error of compiling or running a module; the sandbox must still work afterwards.
pub fn error_in(sandbox: &Sandbox, guest: Guest) -> Error {
    let error = run(sandbox, guest).expect_err("an error");
    assert_works(sandbox);
    error
}

/// The error's text, of a module in a sandbox of its own.
pub fn error_of(guest: Guest) -> String {
    error_in(&sandbox(), guest).to_string()
}
