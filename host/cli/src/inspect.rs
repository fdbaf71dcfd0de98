//! `tilefn inspect`: what a module is and what its functions want.

use super::bundle;
use super::console::Console;
use super::fatal::Fatal;
use clap::Args;
use sandbox::{Description, Halo, Limits, Module, ParamInfo, Sandbox};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tilefn_abi::{DType, ParamKind};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The module, a .wasm file, or a Python program, a .py file
    module: PathBuf,
    /// A file or folder that the Python program imports; may be given several times
    #[arg(long, value_name = "PATH")]
    include: Vec<PathBuf>,
}

/// Prints the module's functions.
pub fn inspect(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let module = compile(&arguments.module, &arguments.include)?;
    console.result(&text(&arguments.module, &module), "module", || json(&arguments.module, &module));
    Ok(())
}

/// Compiles the module at `path` with default limits, or reads a Python program with the files that it imports.
pub fn compile(path: &Path, include: &[PathBuf]) -> Result<Module, Fatal> {
    let name = path.display();
    let bytes = read(path, include)?;
    compile_bytes(&bytes)?.map_err(|e| match e {
        sandbox::Error::PythonRuntime(e) => Fatal::infrastructure(e),
        e => Fatal::usage(format!("{name}: {e}")),
    })
}

/// The bytes of a module, or of a Python program with the files that it may read.
pub fn read(path: &Path, include: &[PathBuf]) -> Result<Vec<u8>, Fatal> {
    if bundle::is_python(path) {
        return bundle::python(path, include).map_err(|(_, text)| Fatal::usage(text));
    }
    if !include.is_empty() {
        return Err(Fatal::usage(format!("{} is a module: only a Python program can include files", path.display())));
    }
    std::fs::read(path).map_err(|e| Fatal::usage(format!("can't read {}: {e}", path.display())))
}

/// Compiles a module with default limits, if the system lets.
pub fn compile_bytes(bytes: &[u8]) -> Result<Result<Module, sandbox::Error>, Fatal> {
    let sandbox = Sandbox::new(&Limits::default(), 1, 0).map_err(Fatal::failed)?;
    Ok(sandbox.compile(bytes))
}

/// The module for people.
pub fn text(path: &Path, module: &Module) -> String {
    let mut text = format!(
        "{}: {} bytes, ABI version {}\n  sha256 {}\n  imports {}",
        path.display(),
        module.size(),
        module.abi_version(),
        module.sha256(),
        if module.imports().is_empty() { "nothing".into() } else { module.imports().join(", ") }
    );
    for function in module.functions() {
        let _ok = write!(text, "\n\n{}", function.name);
        for line in function.doc.lines() {
            let _ok = write!(text, "\n  {line}");
        }
        function_text(&mut text, function);
    }
    text
}

fn function_text(text: &mut String, function: &Description) {
    for input in &function.inputs {
        let list = if input.list { "list of " } else { "" };
        let optional = if input.optional { ", optional" } else { "" };
        line(text, "input", &input.name, &format!("{list}{}{optional}", dtype(input.dtype)), &input.doc);
    }
    for param in &function.params {
        line(text, "param", &param.name, &param_text(param), &param.doc);
    }
    for output in &function.outputs {
        let list = if output.list { "list of " } else { "" };
        let nodata = output.nodata.map_or_else(String::new, |n| format!(", nodata {n}"));
        line(text, "output", &output.name, &format!("{list}{}{nodata}", dtype(output.dtype)), &output.doc);
    }
    match &function.halo {
        Halo::Fixed(0) => {}
        Halo::Fixed(n) => line(text, "halo", &n.to_string(), "pixels on each side", ""),
        Halo::Param(name) => line(text, "halo", name, "the parameter's value, in pixels", ""),
    }
    if function.reduce {
        line(text, "result", "", "accumulated over the raster, in the run's report", "");
    }
}

fn line(text: &mut String, what: &str, name: &str, detail: &str, doc: &str) {
    let doc = if doc.is_empty() { String::new() } else { format!("  {}", doc.lines().next().unwrap_or_default()) };
    let _ok = write!(text, "\n  {what:<7} {name:<12} {detail}{doc}");
}

fn param_text(param: &ParamInfo) -> String {
    let mut text = format!("{}{}", if param.list { "list of " } else { "" }, kind(param.kind));
    let _ok = match &param.default {
        Some(default) => write!(text, ", default {default}"),
        None => write!(text, ", required"),
    };
    if let Some(min) = &param.min {
        let _ok = write!(text, ", at least {min}");
    }
    if let Some(max) = &param.max {
        let _ok = write!(text, ", at most {max}");
    }
    text
}

fn kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Bool => "bool",
        ParamKind::Int => "int",
        ParamKind::Float => "float",
        ParamKind::Text => "text",
        ParamKind::Bytes => "bytes of a file",
    }
}

fn dtype(dtype: Option<DType>) -> &'static str {
    dtype.map_or("any", DType::name)
}

/// The module for programs.
fn json(path: &Path, module: &Module) -> Value {
    let functions: Vec<_> = module.functions().iter().map(|f| function_json(f)).collect();
    json!({
        "path": path, "bytes": module.size(), "abi": module.abi_version(), "sha256": module.sha256(),
        "imports": module.imports(), "exports": module.exports(), "functions": functions,
    })
}

/// A function for programs.
pub fn function_json(f: &Description) -> Value {
    json!({
        "name": f.name,
        "doc": f.doc,
        "inputs": f.inputs.iter().map(|i| json!({
            "name": i.name, "dtype": dtype(i.dtype), "list": i.list, "optional": i.optional, "doc": i.doc,
        })).collect::<Vec<_>>(),
        "params": f.params.iter().map(|p| json!({
            "name": p.name, "type": kind(p.kind), "list": p.list, "default": p.default, "min": p.min, "max": p.max, "doc": p.doc,
        })).collect::<Vec<_>>(),
        "outputs": f.outputs.iter().map(|o| json!({
            "name": o.name, "dtype": dtype(o.dtype), "list": o.list, "nodata": o.nodata.map(|n| n.to_string()), "doc": o.doc,
        })).collect::<Vec<_>>(),
        "halo": match &f.halo { Halo::Fixed(n) => json!(n), Halo::Param(name) => json!(name) },
        "reduce": f.reduce,
    })
}
