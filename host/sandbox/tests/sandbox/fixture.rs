//! Modules in WebAssembly text, and what runs them.

use std::time::Duration;

use bytemuck::bytes_of;
use tilefn_abi::{Call, DType, Input, Raster, Slice};
use tilefn_sandbox::{Error, Function, Instance, Limits, Module, OutRaster, Result, Sandbox};

/// The parts of a module that a test can replace; by default it doubles the pixels of its one input, in place.
pub struct Wat {
    pub imports: &'static str,
    pub marker: &'static str,
    pub memory: &'static str,
    pub alloc: &'static str,
    pub describe: String,
    pub process: String,
    /// Further definitions.
    pub more: String,
}

/// What the default module says of itself.
pub const DOUBLE: &str = r#"{"name":"double","doc":"Twice the value.",
    "inputs":[{"name":"x","dtype":"float32"}],"params":[],
    "outputs":[{"name":"y","dtype":"float32"}],"halo":0,"reduce":false}"#;

impl Default for Wat {
    fn default() -> Self {
        Self {
            imports: "",
            marker: r#"(func (export "tilefn_abi_v1"))"#,
            memory: r#"(memory (export "memory") 2)"#,
            alloc: include_str!("../guests/alloc.wat"),
            describe: describes("double", DOUBLE),
            process: include_str!("../guests/double.wat").to_owned(),
            more: String::new(),
        }
    }
}

impl Wat {
    pub fn build(&self) -> Vec<u8> {
        let Self { imports, marker, memory, alloc, describe, process, more } = self;
        let text = format!("(module {imports} {marker} {memory} {alloc} {describe} {process} {more})");
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
    let module = sandbox.compile(&Wat::default().build()).unwrap();
    let mut instance = module.function("double").unwrap().instance().unwrap();
    let rasters = process(&mut instance, &[1.0, -2.5, 0.0]).unwrap();
    assert_eq!(pixels(&instance, &rasters[0]), [2.0, -5.0, 0.0]);
}

/// The function of a module with a single one.
pub fn only(module: &Module) -> Result<Function> {
    module.function(&module.functions()[0].name)
}

/// Compiles a module and runs its only function on three pixels.
pub fn run(sandbox: &Sandbox, wat: &Wat) -> Result<Vec<OutRaster>> {
    let module = sandbox.compile(&wat.build())?;
    process(&mut only(&module)?.instance()?, &[1.0, 2.0, 3.0])
}

/// The error of compiling or running a module; the sandbox must still work afterwards.
pub fn error_in(sandbox: &Sandbox, wat: &Wat) -> Error {
    let error = run(sandbox, wat).expect_err("an error");
    assert_works(sandbox);
    error
}

/// The error's text, of a module in a sandbox of its own.
pub fn error_of(wat: &Wat) -> String {
    error_in(&sandbox(), wat).to_string()
}

/// A module whose `process` is this body; it has the call's pointer in `$call`.
pub fn processes(body: &str) -> Wat {
    let process = format!(r#"(func $process (export "process:double") (param $call i32) (result i32) {body})"#);
    Wat { process, ..Wat::default() }
}
