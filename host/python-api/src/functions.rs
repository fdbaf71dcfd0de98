//! Functions that are called on arrays, in the sandbox.

use super::arrays::{Array, Arrays, Call, halo};
use super::stopped::{failed, fatal, usage};
use cli::api;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sandbox::{Limits, Sandbox, user_cache_dir};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tilefn_abi::{DType, ParamKind};
use types::Value;
use worker::{KEPT_MEMORY, Outcome, Runner};

/// Calls at the same time: as many as a program has threads. Each reserves address space, no memory.
const CONCURRENCY: usize = 64;

/// A compiled module.
#[pyclass(frozen)]
pub struct Module {
    module: sandbox::Module,
    limits: Limits,
}

#[pymethods]
impl Module {
    /// Compiles a module, or prepares a Python program with the files that it may read.
    #[new]
    #[pyo3(signature = (path, include, memory, seconds))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        include: Vec<PathBuf>,
        memory: Option<u64>,
        seconds: Option<f64>,
    ) -> PyResult<Self> {
        py.detach(|| {
            let bytes = api::read_module(&path, &include).map_err(|e| fatal(&e))?;
            Self::compile(&bytes, memory, seconds)
        })
    }

    /// Compiles a module's bytes.
    #[staticmethod]
    #[pyo3(signature = (module, memory, seconds))]
    fn of_bytes(py: Python<'_>, module: &[u8], memory: Option<u64>, seconds: Option<f64>) -> PyResult<Self> {
        py.detach(|| Self::compile(module, memory, seconds))
    }

    /// The module's SHA-256.
    #[getter]
    fn sha256(&self) -> &str {
        self.module.sha256()
    }

    /// Its functions, as JSON.
    fn functions(&self) -> String {
        let functions = self.module.functions().iter().map(|function| api::described(function));
        functions.collect::<Json>().to_string()
    }

    /// One of its functions.
    fn function(&self, name: &str) -> PyResult<Function> {
        let function = self.module.function(name).map_err(usage)?;
        Ok(Function { function, sha256: self.module.sha256().to_owned(), limits: self.limits.clone() })
    }
}

impl Module {
    fn compile(bytes: &[u8], memory: Option<u64>, seconds: Option<f64>) -> PyResult<Self> {
        let mut limits = Limits::default();
        if let Some(memory) = memory {
            limits.memory = memory;
        }
        if let Some(seconds) = seconds {
            limits.time = Duration::try_from_secs_f64(seconds).map_err(usage)?;
        }
        let sandbox =
            Sandbox::with_cache(&limits, CONCURRENCY, KEPT_MEMORY, user_cache_dir().as_deref()).map_err(failed)?;
        let module = sandbox.compile(bytes).map_err(|e| match e {
            sandbox::Error::Engine(_) | sandbox::Error::PythonRuntime(_) => fatal(&api::Fatal::infrastructure(e)),
            e => usage(e),
        })?;
        Ok(Self { module, limits })
    }
}

/// A function of a module.
#[pyclass(frozen)]
pub struct Function {
    function: sandbox::Function,
    sha256: String,
    limits: Limits,
}

/// An input's array: pixels as bytes, the type's name, bands, and the bits of its nodata value.
type Given<'py> = (PyReadonlyArray1<'py, u8>, String, u32, Option<u64>);
/// An output's array: pixels as bytes, the type's name, bands, and the bits of its nodata value.
type Returned = (Py<PyArray1<u8>>, &'static str, u32, Option<u64>);

#[pymethods]
impl Function {
    /// The halo with these parameters, JSON.
    fn halo(&self, params: &str) -> PyResult<u32> {
        halo(self.function.description(), &self.params(params)?).map_err(usage)
    }

    /// Calls the function on arrays of `rows` × `cols` pixels and the halo around them. `inputs` are in the order of its description, as are
    /// the outputs; `nodata` are bits for outputs that have none. Returns the arrays, and the reduced result as JSON, if there is one.
    fn call(
        &self,
        py: Python<'_>,
        inputs: Vec<Vec<Given<'_>>>,
        params: &str,
        size: (u32, u32),
        nodata: Vec<(String, u64)>,
    ) -> PyResult<(Vec<Vec<Returned>>, Option<String>)> {
        let description = self.function.description();
        let mut arrays = Vec::with_capacity(inputs.len());
        for given in &inputs {
            let given = given.iter().map(|(pixels, dtype, bands, nodata)| {
                let dtype = DType::from_name(dtype).ok_or_else(|| usage(format!("there is no type {dtype:?}")))?;
                Ok(Array { pixels: pixels.as_slice()?, dtype, bands: *bands, nodata: *nodata })
            });
            arrays.push(given.collect::<PyResult<Vec<_>>>()?);
        }
        let mut arrays = Arrays(arrays);
        let params = self.params(params)?;
        let call = Call { description, module_sha256: &self.sha256, params, limits: self.limits.clone(), size, nodata };
        let task = Arc::new(call.task(&arrays).map_err(usage)?);
        let done = py.detach(|| {
            let runner = Runner::new(task.clone(), self.function.clone()).map_err(|e| e.to_string())?;
            let Some(tile) = task.tiling.tile(0) else { return Err("the arrays have no pixels".to_owned()) };
            let done = match runner.run(&tile, &mut arrays).map_err(|e| e.error.to_string())? {
                Outcome::Done(done) => done,
                Outcome::Skipped { .. } => return Err("the function was not called".to_owned()),
            };
            let state = done.state().map_err(|e| e.to_string())?;
            let reduced =
                if task.reduce { Some(self.function.finish(state).map_err(|e| e.to_string())?.value) } else { None };
            Ok((done, reduced))
        });
        let (done, reduced) = done.map_err(failed)?;
        let mut returned: Vec<Vec<Returned>> = task.outputs.iter().map(|_| Vec::new()).collect();
        for (output, _, bands, pixels) in done.rasters().map_err(failed)? {
            let Some(info) = task.outputs.get(output) else { continue };
            let array = PyArray1::from_slice(py, pixels).unbind();
            if let Some(rasters) = returned.get_mut(output) {
                rasters.push((array, info.dtype.name(), bands, info.nodata));
            }
        }
        Ok((returned, reduced.map(|value| value.to_string())))
    }
}

impl Function {
    /// The parameters' values in the order of the description.
    fn params(&self, given: &str) -> PyResult<Vec<Value>> {
        let given: BTreeMap<String, Value> = serde_json::from_str(given).map_err(usage)?;
        let description = self.function.description();
        let values = description.params.iter().map(|param| {
            let wrong = |text: String| usage(format!("{}: {text}", param.name));
            match (given.get(&param.name), &param.default) {
                (Some(value), _) => {
                    let value = job::param_value(value, param).map_err(wrong)?;
                    param.check(&value).map_err(wrong)?;
                    Ok(value)
                }
                (None, Some(default)) => Ok(default.clone()),
                (None, None) => {
                    Err(usage(format!("the function {} needs the parameter {}", description.name, param.name)))
                }
            }
        });
        values.collect()
    }
}

/// An expression's input: its name, its type, whether it is a list, files, bands.
type ExpressionInput = (String, String, bool, Option<u32>, Option<u32>);

/// Compiles an expression to a module. `inputs`: name, type, whether it is a list, files, bands; `params`: name, and `bool`, `int` or `float`;
/// `dtype`: the type of its outputs, if not its own.
#[pyfunction]
pub fn compile_expression<'py>(
    py: Python<'py>,
    text: &str,
    inputs: Vec<ExpressionInput>,
    params: Vec<(String, String)>,
    dtype: Option<&str>,
    strict: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let of = |name: &str| DType::from_name(name).ok_or_else(|| usage(format!("there is no type {name:?}")));
    let inputs = inputs.into_iter().map(|(name, dtype, list, files, bands)| {
        Ok(expression::Input { name, dtype: of(&dtype)?, list, files, bands })
    });
    let params = params.into_iter().map(|(name, kind)| {
        let kind = match kind.as_str() {
            "bool" => ParamKind::Bool,
            "int" => ParamKind::Int,
            _ => ParamKind::Float,
        };
        expression::Param { name, kind, default: None }
    });
    let source = expression::Source {
        text,
        inputs: inputs.collect::<PyResult<_>>()?,
        params: params.collect(),
        outputs: Vec::new(),
        dtype: dtype.map(of).transpose()?,
        strict,
    };
    match expression::compile(&source) {
        Ok(compiled) => Ok(PyBytes::new(py, &compiled.module)),
        Err(mistakes) => {
            let detail = json!({ "expression": text });
            Err(fatal(&api::Fatal { code: 2, text: mistakes.to_string(), detail: Some(detail) }))
        }
    }
}
